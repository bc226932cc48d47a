// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// fileReader is given the open files of processes.
type fileReader interface {
	// wants reports whether it needs the files of a process. The record is nil for one that is of
	// no container which this scan is about.
	wants(record *snapshot.Process) bool
	// file takes an open file, which may come twice.
	file(ctx context.Context, of *openFiles, file *nsinspect.Descriptor)
	// failed takes why the files of a process could not all be listed.
	failed(of *openFiles, err error)
	// cut takes a container of which more files are open than one scan lists.
	cut(container *snapshot.Container)
}

// openFiles is a process whose files are being listed.
type openFiles struct {
	process *nsinspect.Process
	// container is nil for a process that is of none which this scan is about.
	container     *snapshot.Container
	inHostNetwork bool
	// named is who it is, once somebody has asked.
	named *snapshot.Holder
}

// holder names the process.
func (o *openFiles) holder() snapshot.Holder {
	if o.named == nil {
		holder := holderOf(o.process)
		o.named = &holder
	}
	return *o.named
}

// fileWalk lists the open files of processes, once the namespaces of all are known: one listing
// serves all who need it. Each container has a budget.
type fileWalk struct {
	node    *node
	builder *builder
	cache   *HolderCache
	readers []fileReader
	// others are the processes of no container that this scan is about, by the container that
	// their cgroup names, or "".
	others map[string][]int
	// used are the budgets by container, and listed the processes whose files were all listed.
	used   map[fileOwner]*fileBudget
	listed map[int]bool
	// files counts those of all containers that count towards the node's.
	files int
	// clock measures what a container costs; shares and list are replaced by tests.
	clock  func() time.Duration
	shares []int
	list   func(ctx context.Context, process *nsinspect.Process, which nsinspect.DescriptorRange, visit func(*nsinspect.Descriptor) bool) (nsinspect.DescriptorListing, error)
}

// fileOwner is whose files are counted together: a container of the snapshot, or another by its id.
type fileOwner struct {
	container *snapshot.Container
	id        string
}

func newFileWalk(n *node, b *builder, cache *HolderCache) *fileWalk {
	return &fileWalk{
		node: n, builder: b, cache: cache,
		others: make(map[string][]int), used: make(map[fileOwner]*fileBudget), listed: make(map[int]bool),
		clock: threadTime, shares: fileShares(),
		list: func(ctx context.Context, process *nsinspect.Process, which nsinspect.DescriptorRange, visit func(*nsinspect.Descriptor) bool) (nsinspect.DescriptorListing, error) {
			return process.Descriptors(ctx, which, visit)
		},
	}
}

// other notes a process of no container that this scan is about.
func (w *fileWalk) other(pid int, id string) { w.others[id] = append(w.others[id], pid) }

// fileTurn is the files of one container that are still to be listed.
type fileTurn struct {
	fileOwner

	pids []int
	// from is the descriptor of the first of the processes to go on from.
	from int
}

// isKnown reports whether the runtime knows the container, or it is the host: whoever may make
// cgroups can name them like any number of containers.
func (t *fileTurn) isKnown() bool {
	if t.container != nil {
		return t.container.RuntimeName != ""
	}
	return t.id == ""
}

// run lists what the readers want and was not listed yet.
func (w *fileWalk) run(ctx context.Context) error {
	runtime.LockOSThread() // Its time is what is measured.
	defer runtime.UnlockOSThread()
	turns := w.turns()
	for round, share := range w.shares {
		left := turns[:0]
		for _, turn := range turns {
			whole, err := w.advance(ctx, turn, share, round > 0 || !turn.isKnown())
			if err != nil {
				return err
			}
			if !whole {
				left = append(left, turn)
			}
		}
		turns = left
	}
	for _, turn := range turns {
		w.cutOff(turn)
	}
	return nil
}

// turns returns the containers with processes whose files are to be listed, and then the other
// processes.
func (w *fileWalk) turns() []*fileTurn {
	var turns []*fileTurn
	add := func(owner fileOwner, pids []int) {
		if len(pids) == 0 {
			return
		}
		turn := &fileTurn{fileOwner: owner, pids: pids}
		if owner.container != nil {
			turn.from = rotate(turn.pids, w.cache.resume(owner.container.ID))
		}
		if w.used[owner] == nil {
			w.used[owner] = new(fileBudget)
		}
		turns = append(turns, turn)
	}
	for _, container := range w.builder.sorted() {
		add(fileOwner{container: container}, w.wanted(container))
	}
	if w.wants(nil) {
		for id, pids := range w.others {
			unlisted := slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return w.listed[pid] })
			add(fileOwner{id: id}, unlisted)
		}
	}
	slices.SortStableFunc(turns, func(a, b *fileTurn) int {
		switch known := a.isKnown(); {
		case known == b.isKnown():
			return 0
		case known:
			return -1
		}
		return 1
	})
	return turns
}

// wanted returns the processes of a container whose files are to be listed.
func (w *fileWalk) wanted(container *snapshot.Container) []int {
	var pids []int
	for i := range container.Processes {
		if record := &container.Processes[i]; !w.listed[record.PID] && w.wants(record) {
			pids = append(pids, record.PID)
		}
	}
	return pids
}

func (w *fileWalk) wants(record *snapshot.Process) bool {
	return slices.ContainsFunc(w.readers, func(r fileReader) bool { return r.wants(record) })
}

// filePlace is where the listing of a container's files was cut off.
type filePlace struct{ pid, from int }

// rotate moves the processes before a place behind the others, so that what was not reached in one
// scan is first in the next. It returns the descriptor to begin with.
func rotate(pids []int, place filePlace) int {
	at := slices.IndexFunc(pids, func(pid int) bool { return pid >= place.pid })
	if at < 0 {
		return 0
	}
	begins := pids[at] == place.pid
	copy(pids, slices.Concat(pids[at:], pids[:at]))
	if begins {
		return place.from
	}
	return 0
}

// advance lists files of a container until it has used its share. It reports whether that was all.
// Counted says that they are among those that all containers share.
func (w *fileWalk) advance(ctx context.Context, turn *fileTurn, share int, counted bool) (whole bool, err error) {
	budget := w.used[turn.fileOwner]
	before := budget.used()
	defer func() {
		if counted {
			w.files += budget.used() - before
		}
	}()
	for len(turn.pids) > 0 {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if budget.used() >= share || counted && w.files+budget.used()-before >= maxNodeFiles {
			return false, nil
		}
		next, err := w.process(ctx, turn, budget, share)
		if err != nil {
			return false, err
		}
		if turn.from = next; next == 0 {
			w.listed[turn.pids[0]] = true
			turn.pids = turn.pids[1:]
		}
	}
	return true, nil
}

// process lists files of the first process of a turn. It returns the descriptor to go on from, or 0
// when there are no more.
func (w *fileWalk) process(ctx context.Context, turn *fileTurn, budget *fileBudget, share int) (next int, err error) {
	start, spent := w.clock(), budget.time
	measure := func() { budget.time = spent + w.clock() - start }
	defer measure()
	budget.files += processFiles
	of, err := w.open(ctx, turn)
	if of == nil || err != nil {
		return 0, err
	}
	defer of.process.Close()
	which := nsinspect.DescriptorRange{From: turn.from, Limit: max(share-budget.used(), processFiles)}
	listed, err := w.list(ctx, of.process, which, func(file *nsinspect.Descriptor) bool {
		budget.files++
		for _, reader := range w.readers {
			reader.file(ctx, of, file)
		}
		measure()
		return budget.used() < share
	})
	switch {
	case err == nil || errors.Is(err, nsinspect.ErrVanished):
		return listed.Next, nil
	case ctx.Err() != nil:
		return 0, ctx.Err()
	}
	for _, reader := range w.readers {
		reader.failed(of, err)
	}
	return 0, nil
}

// open opens the first process of a turn, or returns nil if it has ended: its pid may be another's
// by now.
func (w *fileWalk) open(ctx context.Context, turn *fileTurn) (*openFiles, error) {
	pid := turn.pids[0]
	process, err := w.node.fs.Open(pid)
	if err != nil {
		return nil, nil //nolint:nilnil,nilerr // The walk has counted what can't be opened.
	}
	whose, err := attribute(ctx, w.node, w.builder, process)
	container := whose.container
	if err != nil || container != turn.container || whose.other != turn.id {
		process.Close()
		return nil, ctx.Err()
	}
	of := &openFiles{process: process, container: container}
	if container != nil {
		i := indexOf(container, pid)
		of.inHostNetwork = i >= 0 && w.node.sharesKind(&container.Processes[i], nsinspect.Net)
	}
	return of, nil
}

// cutOff notes that a container has more files than were listed.
func (w *fileWalk) cutOff(turn *fileTurn) {
	if turn.container == nil {
		return
	}
	w.cache.suspend(turn.container.ID, filePlace{turn.pids[0], turn.from})
	for _, reader := range w.readers {
		reader.cut(turn.container)
	}
}
