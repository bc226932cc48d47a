package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/nsaudit/nsaudit/agent"
	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// look takes a snapshot of this machine. With a containerd that was named, or is there, but
// could not be asked, both the snapshot and the error are there.
func look(ctx context.Context, std streams, options *scanOptions, progress func(stage string)) (*audit.Snapshot, error) {
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
	config := agent.Config{
		Procfs:   procfs,
		Hosts:    hostCandidates(options, 0),
		Node:     node,
		Settle:   agent.DefaultSettle,
		Progress: progress,
	}
	progress("connect to containerd")
	containerd, daemon, connectErr := connect(ctx, options.address)
	if errors.Is(connectErr, inventory.ErrNoSocket) && options.address == "" {
		fmt.Fprintf(std.err, "nsaudit: %v; containers are recognised by their cgroups\n", connectErr)
		connectErr = nil
	}
	if containerd != nil {
		defer func() { _ = containerd.Close() }() // The answers are in.
		config.Source = containerd
		config.Hosts = hostCandidates(options, daemon)
	}
	snapshot, err := agent.NewScanner(config).Scan(ctx)
	if connectErr != nil {
		snapshot.Inventory.Problems = append(snapshot.Inventory.Problems, connectErr.Error())
		err = errors.Join(connectErr, err)
	}
	return snapshot, err
}

// hostCandidates are the processes that may stand for the host, the best first.
func hostCandidates(options *scanOptions, daemon int) []nsinspect.HostCandidate {
	if options.hostPID > 0 {
		return []nsinspect.HostCandidate{{Reference: nsinspect.ByHostPID, PID: options.hostPID}}
	}
	candidates := []nsinspect.HostCandidate{{Reference: nsinspect.ByPID1, PID: 1}}
	if daemon > 0 {
		candidates = append(candidates, nsinspect.HostCandidate{Reference: nsinspect.ByContainerd, PID: daemon})
	}
	return append(candidates, nsinspect.HostCandidate{Reference: nsinspect.ByKthreadd, PID: 2})
}

// connect finds containerd and the pid of its daemon, which is 0 where it can't be told.
func connect(ctx context.Context, address string) (*inventory.Containerd, int, error) {
	paths := inventory.UsualSockets()
	if address != "" {
		path, err := inventory.ParseAddress(address)
		if err != nil {
			return nil, 0, err
		}
		paths = []string{path}
	}
	socket, err := inventory.FindSocket(paths)
	if err != nil {
		return nil, 0, err
	}
	containerd, err := inventory.Connect(ctx, socket)
	if err != nil {
		return nil, 0, err
	}
	// Another candidate stands for the host if the daemon is in another pid namespace.
	daemon, _ := nsinspect.PeerPID(ctx, socket)
	return containerd, daemon, nil
}
