// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory/containerd"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// connection is a connection to containerd.
type connection struct {
	*containerd.Client

	// daemon is the pid of containerd, or 0 where it is not known.
	daemon int
	// others are the sockets of other containerds, which are not asked.
	others []string
}

// connect finds containerd: the first of the sockets behind which one answers.
func (f *nodeFlags) connect(ctx context.Context) (*connection, error) {
	paths := runtimes.ContainerdSockets()
	if f.address != "" {
		path, err := containerd.ParseAddress(f.address)
		if err != nil {
			return nil, err
		}
		paths = []string{path}
	}
	sockets, err := containerd.FindSockets(paths)
	if err != nil {
		return nil, err
	}
	var failures []error
	for i, socket := range sockets {
		client, err := containerd.Connect(ctx, socket)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		// If the daemon is in another pid namespace, another candidate stands for the host.
		daemon, _ := nsinspect.PeerPID(ctx, socket)
		return &connection{client, daemon, slices.Concat(sockets[:i], sockets[i+1:])}, nil
	}
	return nil, errors.Join(failures...)
}
