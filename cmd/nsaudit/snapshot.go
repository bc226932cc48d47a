// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory/containerd"
	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// takeSnapshot scans this machine. If containerd was named or exists, and could not be asked,
// it returns both the snapshot and an error.
func takeSnapshot(ctx context.Context, std streams, flags *nodeFlags, depth scan.Depth, progress func(stage string)) (*snapshot.Snapshot, error) {
	procfs, err := flags.openProcfs()
	if err != nil {
		return nil, err
	}
	defer func() { _ = procfs.Close() }() // Nothing was written to it.
	node, err := flags.nodeName()
	if err != nil {
		return nil, err
	}
	config := scan.Config{Procfs: procfs, Node: node, Settle: scan.DefaultSettle, Depth: depth, Progress: progress}
	progress("connect to containerd")
	daemon := 0
	runtime, connectErr := flags.connect(ctx)
	if runtime != nil {
		defer func() { _ = runtime.Close() }() // The answers are in.
		config.Source, daemon = runtime, runtime.daemon
		if len(runtime.others) > 0 {
			fmt.Fprintf(std.err, "nsaudit: asking %s; not asked: %s (choose with --containerd-address)\n", runtime.Address(), strings.Join(runtime.others, ", "))
		}
	}
	if errors.Is(connectErr, containerd.ErrNoSocket) && flags.address == "" {
		fmt.Fprintf(std.err, "nsaudit: %v; containers are recognised by their cgroups\n", connectErr)
		connectErr = nil
	}
	config.Hosts = flags.hosts(procfs.Self(), daemon)
	snap, err := scan.New(config).Scan(ctx)
	if hint := hostHint(procfs, snap.Host.Reference); hint != "" {
		fmt.Fprintf(std.err, "nsaudit: %s\n", hint)
	}
	if connectErr != nil {
		snap.Inventory.Problems = append(snap.Inventory.Problems, connectErr.Error())
		err = errors.Join(connectErr, err)
	}
	return snap, err
}

// hostHint returns what to do about a procfs that is not the host's, or "".
func hostHint(procfs *nsinspect.FS, reference nsinspect.HostSource) string {
	switch {
	case reference == nsinspect.ByNone && procfs.Self() == 1:
		return procfs.Root() + " is that of the container that nsaudit runs in: give the host's with --procfs"
	case reference == nsinspect.ByPID1 && !procfs.Initial():
		return procfs.Root() + " is a container's or a virtual node's, which now counts as the host; for the machine around it give its procfs with --procfs"
	}
	return ""
}
