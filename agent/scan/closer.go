// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"slices"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// closer settles the containers that ended while the scan was at them: what could not be read of them
// any more is not unknown, it is gone.
type closer struct {
	node      *node
	builder   *builder
	inspector *inspector
	// gone are the containers of which no recorded process is there any more, with what is to be said
	// of those that have others; nil for nothing.
	gone map[*snapshot.Container]*dispute
}

func newCloser(i *inspector) *closer {
	return &closer{node: i.node, builder: i.builder, inspector: i, gone: make(map[*snapshot.Container]*dispute)}
}

// suspect takes a container that seems to have ended. It reports whether none of its recorded
// processes is there any more.
func (l *closer) suspect(ctx context.Context, container *snapshot.Container, otherwise *dispute) bool {
	for i := range container.Processes {
		if l.isOf(ctx, container.Processes[i].PID, container) {
			return false
		}
	}
	l.gone[container] = otherwise
	return true
}

// isOf reports whether a process is one of a container, and runs: a pid may be another's by now. What
// can't be read is not known to have ended.
func (l *closer) isOf(ctx context.Context, pid int, container *snapshot.Container) bool {
	other, err := l.ownerNow(ctx, pid)
	if err != nil {
		return !errors.Is(err, nsinspect.ErrVanished)
	}
	return other == container
}

// ownerNow returns the container of a process that runs. The error is [nsinspect.ErrVanished] for one
// that has ended.
func (l *closer) ownerNow(ctx context.Context, pid int) (*snapshot.Container, error) {
	process, container, err := openOwned(ctx, l.node, l.builder, pid)
	if err != nil {
		return nil, err
	}
	defer process.Close()
	return container, mustRun(ctx, process)
}

// mustRun returns [nsinspect.ErrVanished] unless a thread of the process has not ended.
func mustRun(ctx context.Context, process *nsinspect.Process) error {
	seen, err := process.Survey(ctx, judged()) // The namespaces of a zombie are gone.
	if err == nil && seen.Ended {
		return nsinspect.ErrVanished
	}
	return err
}

// runs reports whether there is a process with this pid that is not known to have ended.
func (l *closer) runs(ctx context.Context, pid int) bool {
	if pid <= 0 {
		return false
	}
	_, err := l.ownerNow(ctx, pid)
	return !errors.Is(err, nsinspect.ErrVanished)
}

// run tells the containers that have ended from those that have other processes than were recorded,
// by one more walk: processes may follow each other without end.
func (l *closer) run(ctx context.Context) error {
	if len(l.gone) == 0 {
		return ctx.Err()
	}
	err := l.node.each(ctx, func(pid int) error {
		process, container, err := openOwned(ctx, l.node, l.builder, pid)
		if err != nil {
			return ctx.Err()
		}
		defer process.Close()
		if why, found := l.gone[container]; found && mustRun(ctx, process) == nil {
			l.stays(container, why)
		}
		return ctx.Err()
	})
	for container, why := range l.gone {
		if err != nil {
			l.stays(container, why)
		} else {
			l.ended(container)
		}
	}
	return err
}

// stays notes why a container that has not ended is unknown.
func (l *closer) stays(container *snapshot.Container, why *dispute) {
	if why != nil {
		l.builder.unread(container, why.Cause, why.Detail)
	}
	delete(l.gone, container)
}

// ended keeps of a container that has ended what matters nevertheless: that processes were where they
// were not to be.
func (l *closer) ended(container *snapshot.Container) {
	container.Processes = slices.DeleteFunc(container.Processes, func(process snapshot.Process) bool {
		return container.RuntimeName == "" || !l.matters(container, &process)
	})
	if of := l.inspector.contexts[container]; of != nil {
		of.compact()
	}
}

func (l *closer) matters(container *snapshot.Container, process *snapshot.Process) bool {
	weaker := slices.ContainsFunc(process.Credentials, func(group snapshot.CredentialGroup) bool {
		return l.inspector.confirmed(container, process, &group) != 0
	})
	return weaker || process.HostRoot || len(l.node.undeclared(container, process)) > 0
}
