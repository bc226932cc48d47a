// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// maxHeldFiles caps the files of the host's namespaces that are noted of one container.
const maxHeldFiles = 32

// holdFinder finds the namespaces of the host that containers have open without having declared
// them. It reads the files that are listed for the sake of sockets; between the scans that list those of
// all processes, it looks only whether what was found is still open.
type holdFinder struct {
	node    *node
	builder *builder
	files   *fileWalk
	sockets *socketFinder
	cache   *HolderCache
	settle  time.Duration
	// host are the namespaces that are looked for.
	host []hostNamespace
	// found are the files of each container, and foundAt is when the last of them was found.
	found   map[*snapshot.Container][]heldFileOf
	foundAt time.Time
}

// hostNamespace is one of the host's.
type hostNamespace struct {
	kind nsinspect.Kind
	id   nsinspect.ID
}

// heldFileOf is a file of the host's namespace that a process of a container has open.
type heldFileOf struct {
	hostNamespace

	pid, fd int
	// known: an earlier scan has found it.
	known bool
}

// heldKinds are those that are worth being entered.
func heldKinds() []nsinspect.Kind { return append(judged(), nsinspect.Mnt) }

func newHoldFinder(n *node, b *builder, sockets *socketFinder, config *Config) *holdFinder {
	h := &holdFinder{
		node: n, builder: b, files: sockets.files, sockets: sockets, cache: config.Holders, settle: config.Settle,
		found: make(map[*snapshot.Container][]heldFileOf),
	}
	for _, kind := range heldKinds() {
		if id, ok := n.ref.Namespaces.Get(kind); ok {
			h.host = append(h.host, hostNamespace{kind, id})
		}
	}
	sockets.files.readers = append(sockets.files.readers, h)
	return h
}

// wants implements fileReader.
func (h *holdFinder) wants(record *snapshot.Process) bool {
	return record != nil && h.sockets.listsAll && len(h.host) > 0
}

// file implements fileReader.
func (h *holdFinder) file(ctx context.Context, of *openFiles, file *nsinspect.Descriptor) {
	if of.container == nil {
		return
	}
	for _, namespace := range h.host {
		if file.MayBeNamespace(namespace.kind, namespace.id.Ino) {
			h.note(ctx, of, heldFileOf{hostNamespace: namespace, pid: of.process.PID(), fd: file.FD})
		}
	}
}

// note keeps the first file of each process for each kind that its container did not declare.
func (h *holdFinder) note(ctx context.Context, of *openFiles, held heldFileOf) {
	known := h.found[of.container]
	isRepeat := func(other heldFileOf) bool { return other.pid == held.pid && other.kind == held.kind }
	if len(known) == maxHeldFiles || of.container.Asks(held.kind) || slices.ContainsFunc(known, isRepeat) {
		return
	}
	if holds, err := of.process.HoldsNamespace(ctx, held.fd, held.id); err == nil && holds {
		h.found[of.container] = append(known, held)
		h.foundAt = time.Now()
	}
}

// failed implements fileReader: the finder of sockets notes why.
func (h *holdFinder) failed(*openFiles, error) {}

// cut implements fileReader.
func (h *holdFinder) cut(container *snapshot.Container) {
	snapshot.AddGap(&container.Unread.Held, snapshot.CauseLimit, tooManyFiles)
}

// complete puts into the snapshot what is still open after a while: a runtime may have the host's
// namespace open for a moment while it starts a program.
func (h *holdFinder) complete(ctx context.Context) error {
	if h.cache != nil && !h.sockets.listsAll {
		h.recall()
	}
	if h.hasNew() {
		if rest := h.settle - time.Since(h.foundAt); rest > 0 {
			if err := pause(ctx, rest); err != nil {
				return err
			}
		}
	}
	for container, files := range h.found {
		h.found[container] = slices.DeleteFunc(files, func(held heldFileOf) bool { return !h.confirm(ctx, container, held) })
	}
	if h.cache != nil {
		h.cache.learnFiles(h.remembered(), h.sockets.listsAll, h.builder.ids())
	}
	return ctx.Err()
}

// recall takes over what was found of processes whose files this scan has not listed.
func (h *holdFinder) recall() {
	containers := h.builder.byPID()
	for id, files := range h.cache.heldFiles() {
		for _, held := range files {
			container := containers[held.pid]
			if container == nil || container.ID != id || h.files.listed[held.pid] || container.Asks(held.kind) {
				continue
			}
			held.known = true
			h.found[container] = append(h.found[container], held)
		}
	}
}

func (h *holdFinder) hasNew() bool {
	for _, files := range h.found {
		if slices.ContainsFunc(files, func(held heldFileOf) bool { return !held.known }) {
			return true
		}
	}
	return false
}

// confirm reports whether a process of a container still has the namespace open, and notes it.
func (h *holdFinder) confirm(ctx context.Context, container *snapshot.Container, held heldFileOf) bool {
	process, of, err := openOwned(ctx, h.node, h.builder, held.pid)
	if err != nil {
		return false // It has ended.
	}
	defer process.Close()
	if of != container || indexOf(container, held.pid) < 0 {
		return false
	}
	if holds, err := process.HoldsNamespace(ctx, held.fd, held.id); err != nil || !holds {
		h.builder.snap.Coverage.Transient++
		return false
	}
	holder := holderOf(process)
	container.AddHeld(snapshot.Held{Kind: held.kind, Way: snapshot.HeldFile, PID: held.pid, Command: holder.Command, Detail: fmt.Sprint(held.fd)})
	return true
}

// remembered returns what was found, for the cache, by the containers' IDs.
func (h *holdFinder) remembered() map[string][]heldFileOf {
	all := make(map[string][]heldFileOf)
	for container, files := range h.found {
		if len(files) > 0 {
			all[container.ID] = files
		}
	}
	return all
}
