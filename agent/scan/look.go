// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"fmt"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// look is one scan under way: a collaborator for each of its phases. They read the node and
// write through the builder.
type look struct {
	config     *Config
	builder    *builder
	inspector  *inspector
	surveyor   *surveyor
	settler    *settler
	files      *fileWalk
	sockets    *socketFinder
	holds      *holdFinder
	forwards   *forwardResolver
	reconciler *reconciler
	closer     *closer
}

func newLook(ctx context.Context, config *Config, host *nsinspect.Host, snap *snapshot.Snapshot, containers []inventory.Container, scope scope) *look {
	n := newNode(config, host, containers, scope)
	b := newBuilder(snap, containers)
	inits := n.placeInits(b, containers)
	inspector := newInspector(ctx, n, b, config)
	inspector.placeUsers(inits.users)
	settler := newSettler(inspector, config)
	closer := newCloser(inspector)
	files := newFileWalk(n, b, config.Holders)
	sockets := newSocketFinder(n, b, files, config.Holders, config.Settle)
	return &look{
		config:     config,
		builder:    b,
		inspector:  inspector,
		surveyor:   &surveyor{node: n, builder: b, inspector: inspector, settler: settler, sockets: sockets, files: files},
		settler:    settler,
		files:      files,
		sockets:    sockets,
		holds:      newHoldFinder(n, b, sockets, config),
		forwards:   newForwardResolver(n, b, config.Forwards, sockets),
		reconciler: newReconciler(closer, config.Source, containers, inits.misplaced),
		closer:     closer,
	}
}

func (l *look) close() { l.settler.close() }

// phase is a part of a scan.
type phase struct {
	// name says what is done, for people who wait.
	name   string
	needed func() bool
	run    func(context.Context) error
}

// phases are the parts of a scan, in their order: the sockets are read before the processes,
// whose files are then compared with them. The namespaces of all processes are read before the files
// of any, so that no container's files hold up what matters most of another.
func (l *look) phases() []phase {
	always := func() bool { return true }
	return []phase{
		{"read the processes", always, l.processes},
		{"look again at what was not declared", l.settler.needed, l.settler.confirm},
		{"wait for programs that are being started", func() bool { return len(l.settler.starting) > 0 }, l.settler.awaitPrograms},
		{"read the host's ports", always, l.ports},
	}
}

// run reads the node, and looks again where a first look does not settle it.
func (l *look) run(ctx context.Context) error {
	for _, phase := range l.phases() {
		if !phase.needed() {
			continue
		}
		l.config.Progress(phase.name)
		if err := phase.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", phase.name, err)
		}
	}
	l.config.Progress("ask containerd again about single containers")
	l.reconciler.run(ctx)
	if err := l.inspector.complete(ctx, l.closer); err != nil {
		return err
	}
	if err := l.closer.run(ctx); err != nil {
		return err
	}
	l.config.Contexts.learn(l.inspector.memory, l.inspector.node.scope)
	return ctx.Err()
}

func (l *look) processes(ctx context.Context) error {
	l.sockets.read(ctx)
	if err := l.surveyor.processes(ctx); err != nil {
		return err
	}
	return l.files.run(ctx)
}

// ports completes what was found of the host's ports, and puts it into the snapshot.
func (l *look) ports(ctx context.Context) error {
	if l.builder.snap.Ports == nil {
		return nil
	}
	if err := l.sockets.attributeMade(ctx); err != nil {
		return err
	}
	if err := l.sockets.complete(ctx); err != nil {
		return err
	}
	if err := l.sockets.confirm(ctx); err != nil {
		return err
	}
	l.sockets.record()
	if err := l.holds.complete(ctx); err != nil {
		return err
	}
	return l.forwards.resolve(ctx)
}
