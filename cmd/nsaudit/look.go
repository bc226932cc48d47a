package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory/containerd"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// look takes a snapshot of this machine. With a containerd that was named, or is there, but
// could not be asked, both the snapshot and the error are there.
func look(ctx context.Context, std streams, options *scanOptions, progress func(stage string)) (*snapshot.Snapshot, error) {
	procfs, err := nsinspect.NewFS(options.procfs)
	if err != nil {
		return nil, fmt.Errorf("%w: mount the host's procfs there, or name the place with --procfs", err)
	}
	defer func() { _ = procfs.Close() }() // Nothing was written to it.
	node := options.node
	if node == "" {
		if node, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("%w: name this machine with --node", err)
		}
	}
	config := scan.Config{
		Procfs:   procfs,
		Node:     node,
		Settle:   scan.DefaultSettle,
		Progress: progress,
	}
	progress("connect to containerd")
	client, daemon, others, connectErr := connect(ctx, options.address)
	if len(others) > 0 {
		fmt.Fprintf(std.err, "nsaudit: asking %s; not asked: %s (choose with --containerd-address)\n", client.Address(), strings.Join(others, ", "))
	}
	if errors.Is(connectErr, containerd.ErrNoSocket) && options.address == "" {
		fmt.Fprintf(std.err, "nsaudit: %v; containers are recognised by their cgroups\n", connectErr)
		connectErr = nil
	}
	if client != nil {
		defer func() { _ = client.Close() }() // The answers are in.
		config.Source = client
	}
	config.Hosts = hostCandidates(options.hostPID, procfs.Self(), daemon)
	snap, err := scan.New(config).Scan(ctx)
	switch {
	case snap.Host.Reference == nsinspect.ByNone && procfs.Self() == 1:
		fmt.Fprintf(std.err, "nsaudit: %s is that of the container that nsaudit runs in: give the host's with --procfs\n", procfs.Root())
	case snap.Host.Reference == nsinspect.ByPID1 && !procfs.Initial():
		fmt.Fprintf(std.err, "nsaudit: %s is a container's or a virtual node's, which now counts as the host; for the machine around it give its procfs with --procfs\n", procfs.Root())
	}
	if connectErr != nil {
		snap.Inventory.Problems = append(snap.Inventory.Problems, connectErr.Error())
		err = errors.Join(connectErr, err)
	}
	return snap, err
}

// hostCandidates are the processes that may stand for the host, the best first. Where this
// process itself is pid 1 it runs in a container of its own, which is not the host.
func hostCandidates(hostPID, self, daemon int) []nsinspect.HostCandidate {
	if hostPID > 0 {
		return []nsinspect.HostCandidate{{Reference: nsinspect.ByHostPID, PID: hostPID}}
	}
	var candidates []nsinspect.HostCandidate
	if self != 1 {
		candidates = append(candidates, nsinspect.HostCandidate{Reference: nsinspect.ByPID1, PID: 1})
	}
	if daemon > 0 {
		candidates = append(candidates, nsinspect.HostCandidate{Reference: runtimes.Containerd, PID: daemon})
	}
	return append(candidates, nsinspect.HostCandidate{Reference: nsinspect.ByKthreadd, PID: nsinspect.KthreaddPID})
}

// connect finds containerd and the pid of its daemon, which is 0 where it can't be told.
// The first of the sockets behind which somebody answers is it; others are those that are
// there too.
func connect(ctx context.Context, address string) (client *containerd.Client, daemon int, others []string, err error) {
	paths := runtimes.ContainerdSockets()
	if address != "" {
		path, err := containerd.ParseAddress(address)
		if err != nil {
			return nil, 0, nil, err
		}
		paths = []string{path}
	}
	sockets, err := containerd.FindSockets(paths)
	if err != nil {
		return nil, 0, nil, err
	}
	var failures []error
	for i, socket := range sockets {
		client, err := containerd.Connect(ctx, socket)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		// Another candidate stands for the host if the daemon is in another pid namespace.
		daemon, _ := nsinspect.PeerPID(ctx, socket)
		return client, daemon, slices.Concat(sockets[:i], sockets[i+1:]), nil
	}
	return nil, 0, nil, errors.Join(failures...)
}
