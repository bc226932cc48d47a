package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/owner"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/cgroup"
)

// maxRecorded caps the processes of containers that a snapshot holds: about 250 bytes
// each. Containers with more are unknown.
const maxRecorded = 200_000

// judged are the kinds of namespaces that the checks are about.
func judged() []nsinspect.Kind {
	return []nsinspect.Kind{nsinspect.Net, nsinspect.PID, nsinspect.IPC}
}

// walk is one pass over the processes of a node.
type walk struct {
	fs         *nsinspect.FS
	host       *nsinspect.Host
	snap       *snapshot.Snapshot
	kinds      []nsinspect.Kind
	attributor *owner.Attributor
	// listed are the containers of the inventory.
	listed []inventory.Container
	// targeted says that only the containers of the inventory are looked at.
	targeted bool
	// containers are those with processes or with something unknown, and those that
	// should have processes.
	containers map[inventory.Key]*snapshot.Container
	// misplaced are the containers whose init process is not in their cgroup.
	misplaced map[inventory.Key]bool
	suspects  []suspect
	// starting are processes that share something, by the name of the runtime's own.
	starting []suspect
	recorded int
	sockets  sockets
	forwards forwards
}

func newWalk(fs *nsinspect.FS, snap *snapshot.Snapshot, listed []inventory.Container) *walk {
	w := &walk{
		fs:         fs,
		snap:       snap,
		kinds:      judged(),
		attributor: owner.New(snap.Host, listed),
		listed:     listed,
		containers: make(map[inventory.Key]*snapshot.Container, len(listed)),
		misplaced:  make(map[inventory.Key]bool),
	}
	for _, container := range listed {
		w.containers[container.Key()] = &snapshot.Container{Container: container}
	}
	return w
}

func (w *walk) close() {
	for _, suspect := range slices.Concat(w.suspects, w.starting) {
		suspect.process.Close()
	}
}

// settleInits tells the attributor where the containers' init processes are.
func (w *walk) settleInits(containers []inventory.Container) {
	if entries, err := w.cgroups(w.snap.Host.PID); err == nil {
		w.attributor.View(entries)
	}
	for i := range containers {
		container := &containers[i]
		if !container.Status.Live() || container.PID <= 0 {
			continue
		}
		if err := w.settleInit(container); err != nil && !errors.Is(err, nsinspect.ErrVanished) {
			w.unknown(container.Key(), causeOf(err), oneLine(err))
		}
	}
	w.attributor.Finish(containers)
}

// cgroups reads the cgroups of a process that is not kept open.
func (w *walk) cgroups(pid int) ([]cgroup.Entry, error) {
	process, err := w.fs.Open(pid)
	if err != nil {
		return nil, err
	}
	defer process.Close()
	return cgroup.Read(process)
}

func (w *walk) settleInit(container *inventory.Container) error {
	entries, err := w.cgroups(container.PID)
	if err != nil {
		return err
	}
	if !w.attributor.Settle(container, entries) {
		w.misplaced[container.Key()] = true
	}
	return nil
}

// processes visits every process of the node.
func (w *walk) processes(ctx context.Context) error {
	return w.each(ctx, func(pid int) error {
		w.snap.Coverage.Processes++
		process, err := w.fs.Open(pid)
		if err == nil {
			err = w.visit(ctx, process)
		}
		return w.count(pid, err)
	})
}

// each calls visit with every pid, and then with those that have come meanwhile: on a busy
// node a walk takes longer than some processes live, and these are few and met at once.
func (w *walk) each(ctx context.Context, visit func(pid int) error) error {
	var before []int
	for range 2 {
		pids, err := w.fs.PIDs(ctx)
		if err != nil {
			return err
		}
		for _, pid := range pids {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, visited := slices.BinarySearch(before, pid); visited {
				continue
			}
			if err := visit(pid); err != nil {
				return err
			}
		}
		before = pids
	}
	return nil
}

// count turns the outcome of a visit into coverage. Only the context's end stops a walk.
func (w *walk) count(pid int, err error) error {
	switch {
	case err == nil:
	case errors.Is(err, nsinspect.ErrVanished):
		w.snap.Coverage.Vanished++
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	default:
		if errors.Is(err, nsinspect.ErrDenied) {
			w.snap.Coverage.Denied++
		}
		w.gap(causeOf(err), fmt.Sprintf("process %d: %s", pid, oneLine(err)))
	}
	return nil
}

// visit looks at one process and closes it, unless it is kept for a second look.
func (w *walk) visit(ctx context.Context, process *nsinspect.Process) error {
	keep := false
	defer func() {
		if !keep {
			process.Close()
		}
	}()
	entries, err := cgroup.ReadLive(ctx, process)
	if err != nil {
		return err
	}
	container := w.containerOf(process.PID(), entries)
	if container == nil {
		return nil
	}
	record, err := w.survey(ctx, process, container)
	if err != nil && !errors.Is(err, nsinspect.ErrVanished) {
		w.unknownIn(container, causeOf(err), oneLine(err))
	}
	if err != nil || record == nil {
		return err
	}
	if w.recorded >= maxRecorded && !w.shares(record) {
		w.unknownIn(container, snapshot.CauseLimit, "more processes than a snapshot holds")
		return nil
	}
	w.recorded++
	container.Processes = append(container.Processes, *record)
	if err := w.findHeld(ctx, process, container, record); err != nil {
		return err
	}
	if process.PID() == container.PID {
		container.Age, _ = process.Age() // 0 stands for a container that may still be starting.
	}
	keep = w.keep(process, container, record)
	return nil
}

// keep says whether a process is to be looked at again, and remembers it for that.
func (w *walk) keep(process *nsinspect.Process, container *snapshot.Container, record *snapshot.Process) bool {
	again := suspect{process, container}
	switch {
	case len(w.undeclared(container, record)) > 0 && len(w.suspects) < maxSuspects:
		w.suspects = append(w.suspects, again)
	case runtimes.IsInit(record.Command) && len(w.starting) < maxSuspects:
		w.starting = append(w.starting, again)
	default:
		return false
	}
	return true
}

// containerOf returns the container that the cgroups belong to, or nil for a process of
// the host.
func (w *walk) containerOf(pid int, entries []cgroup.Entry) *snapshot.Container {
	found := w.attributor.Attribute(entries)
	switch {
	case found.Contested:
		reason := fmt.Sprintf("process %d is in the cgroups of this and of another container", pid)
		w.unknown(found.Key, snapshot.CauseCgroup, reason)
		w.unknown(found.Rival, snapshot.CauseCgroup, reason)
		return w.containers[found.Key]
	case found.Known:
		return w.containers[found.Key]
	case found.Forged:
		w.unknown(found.Key, snapshot.CauseCgroup, fmt.Sprintf("process %d is in a cgroup that is named like this container's but is another", pid))
		return nil
	case found.Ref.ID == "" || w.targeted:
		return nil
	}
	key := inventory.Key{ID: found.Ref.ID}
	container, ok := w.containers[key]
	if !ok {
		container = &snapshot.Container{Container: inventory.FromCgroup(found.Ref, w.noDeclaration())}
		w.containers[key] = container
	}
	return container
}

// noDeclaration says why it is not known what a container outside the inventory declared.
func (w *walk) noDeclaration() string {
	switch w.snap.Inventory.Source {
	case inventory.FromCgroups:
		return "there is no containerd to ask"
	case inventory.FromMemory:
		return "containerd does not answer"
	}
	return "containerd does not know this container"
}

// survey reads where the threads of a container's process are, and counts. It returns nil
// for a process that is in no namespace any more.
func (w *walk) survey(ctx context.Context, process *nsinspect.Process, container *snapshot.Container) (*snapshot.Process, error) {
	seen, err := process.Survey(ctx, w.kinds)
	if err != nil {
		return nil, err
	}
	if seen.Denied > 0 {
		w.snap.Coverage.Denied += seen.Denied
		w.unknownIn(container, snapshot.CauseDenied, fmt.Sprintf("%d threads of process %d could not be read: permission denied", seen.Denied, process.PID()))
	}
	if seen.Truncated {
		w.unknownIn(container, snapshot.CauseLimit, fmt.Sprintf("the threads of process %d are in more namespaces than are counted", process.PID()))
	}
	if seen.Ended {
		w.snap.Coverage.Vanished++
	}
	return w.record(process, seen.Groups), nil
}

// record makes the snapshot's record of a process, or nil if it is in no namespace.
func (w *walk) record(process *nsinspect.Process, groups []nsinspect.ThreadGroup) *snapshot.Process {
	if len(groups) == 0 {
		return nil
	}
	record := &snapshot.Process{PID: process.PID(), Groups: groups}
	if w.shares(record) {
		// What it shares counts also where its name can't be read any more.
		record.Command, _ = process.Command()
	}
	return record
}

// shares says whether any thread is in a namespace of the host.
func (w *walk) shares(record *snapshot.Process) bool {
	return slices.ContainsFunc(w.kinds, func(kind nsinspect.Kind) bool { return w.sharesKind(record, kind) })
}

func (w *walk) sharesKind(record *snapshot.Process, kind nsinspect.Kind) bool {
	host, ok := w.snap.Host.Namespaces.Get(kind)
	return ok && slices.ContainsFunc(record.Groups, func(group nsinspect.ThreadGroup) bool {
		id, ok := group.Namespaces.Get(kind)
		return ok && id == host
	})
}
