// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// inspector reads the processes of containers: in which namespaces their threads are, with which
// credentials, and what is read once a container.
type inspector struct {
	node    *node
	builder *builder
	depth   Depth
	kinds   kindsRead
	memory  *contextMemory
	host    hostContext
	// arrivals tell a runtime's own processes from those of containers.
	arrivals arrivals
	// contexts are those of the containers that have processes.
	contexts map[*snapshot.Container]*containerContext
	// text is the memory that mounts are read into.
	text []byte
	// threads are how many of each container were read, beyond the first of each process.
	threads map[*snapshot.Container]int
}

func newInspector(ctx context.Context, n *node, b *builder, config *Config) *inspector {
	i := &inspector{
		node: n, builder: b, depth: config.Depth, kinds: newKinds(config.Depth, &n.ref.Namespaces), memory: config.Contexts.begin(),
		contexts: make(map[*snapshot.Container]*containerContext),
		arrivals: arrivals{node: n, daemons: config.Hosts},
		threads:  make(map[*snapshot.Container]int),
	}
	if i.depth != Namespaces {
		i.readHost(ctx, config.Hosts)
	}
	return i
}

// inspected is what was read of a process.
type inspected struct {
	// record is nil for a process that has ended.
	record *snapshot.Process
	seen   nsinspect.Survey
	// weak are threads that look weaker than the runtime was told to make them.
	weak map[int]inventory.Weakness
}

// context returns the context of a container, or nil if nothing of it is read.
func (i *inspector) context(container *snapshot.Container) *containerContext {
	if i.depth == Namespaces {
		return nil
	}
	if i.contexts[container] == nil {
		i.contexts[container] = newContext(container)
	}
	c := i.contexts[container]
	if c.sandboxed {
		c.unread(snapshot.CauseRuntime, fmt.Sprintf("it has a kernel of its own (%s), so its processes on the node are not those of the program", container.Runtime))
		return nil
	}
	return c
}

// inspect reads a process. Before are the ways in which its threads looked weaker before, if this
// is not the first look.
func (i *inspector) inspect(ctx context.Context, process *nsinspect.Process, container *snapshot.Container, before map[int]inventory.Weakness) (*inspected, error) {
	of := i.context(container)
	plan := nsinspect.Plan{Kinds: judged(), Host: &i.node.ref.Namespaces, Threads: i.threadLimit(container, process.PID())}
	if of == nil {
		seen, err := process.SurveyBy(ctx, &plan)
		if err != nil {
			return nil, err
		}
		i.threads[container] += max(seen.Threads-1, 0)
		return &inspected{record: i.record(process, container, seen.Groups, nil, 0), seen: seen}, nil
	}
	v := &visit{context: of, memory: i.memory, depth: i.depth, process: process, pid: process.PID(), hostRoot: i.host.root, before: before, leader: -1}
	plan.Kinds, plan.Credentials, plan.Labels = i.kinds.of(container, process.PID()), v, i.host.module() != ""
	seen, err := process.SurveyBy(ctx, &plan)
	if err != nil {
		return nil, err
	}
	i.threads[container] += max(seen.Threads-1, 0)
	ways := v.compare(false)
	i.readUsers(process, of, seen.Groups, ways)
	nested := ways != 0 && i.mayBeNested(container, seen.Groups)
	if nested {
		ways = v.compare(nested)
	}
	found := &inspected{record: i.record(process, container, seen.Groups, v, ways), seen: seen}
	switch {
	case seen.Ended && seen.Denied == 0:
		found.record = nil // It ended between the reads: what was read of it is no container's any more.
	case found.record != nil && i.arrivals.isRuntimes(process, container):
		disregard(found.record)
	case found.record != nil && ways != 0:
		found.weak = v.weak(nested)
	}
	return found, nil
}

// threadLimit returns how many threads of a process are read: most of those that are left to its
// container, so that some are left to the next process. A second look begins with those that the
// first one has named.
func (i *inspector) threadLimit(container *snapshot.Container, pid int) *nsinspect.ThreadLimit {
	left := max(maxThreads-i.threads[container], 0)
	return &nsinspect.ThreadLimit{Max: max(left-left/4, fewThreads), First: func() []int {
		at := indexOf(container, pid)
		if at < 0 {
			return nil
		}
		var tids []int
		for _, group := range container.Processes[at].Groups {
			tids = append(tids, group.TIDs...)
		}
		for _, group := range container.Processes[at].Credentials {
			tids = append(tids, group.TIDs...)
		}
		return tids
	}}
}

// disregard takes back what the security context of a process would be judged by.
func disregard(record *snapshot.Process) {
	record.HostRoot, record.HostRootThreads, record.HostRootTIDs = false, 0, nil
	for i := range record.Credentials {
		record.Credentials[i].Unconfirmed = inventory.AnyWeakness
	}
}

// record makes the snapshot's record of a process, or nil if it has ended. What matters of a
// process counts also where its name can't be read any more.
func (i *inspector) record(process *nsinspect.Process, container *snapshot.Container, groups []nsinspect.ThreadGroup, v *visit, ways inventory.Weakness) *snapshot.Process {
	record := &snapshot.Process{PID: process.PID(), Groups: groups}
	if v != nil {
		record.Credentials = v.credentials()
		record.HostRoot = i.hasHostRoot(process, v, ways)
		if !record.HostRoot {
			record.HostRootThreads, record.HostRootTIDs = v.atHostRoot, v.hostRootTIDs
		}
	}
	if len(groups) == 0 && len(record.Credentials) == 0 {
		return nil
	}
	if i.depth == Full || ways != 0 || record.AtHostRoot() || i.node.shares(record) || len(i.node.undeclared(container, record)) > 0 {
		record.Command, _ = process.Command()
	}
	return record
}

// hasHostRoot reports whether the root directory of a process is the host's. It is read of one that
// is weaker than the spec in some way, too: that may have let it in.
func (i *inspector) hasHostRoot(process *nsinspect.Process, v *visit, ways inventory.Weakness) bool {
	if i.host.root == (nsinspect.FileID{}) {
		return false
	}
	if ways == 0 && !v.comparesRoots() {
		return false
	}
	root, err := process.RootDir()
	if v.leader < 0 && len(v.groups) > 0 && errors.Is(err, nsinspect.ErrVanished) {
		root, err = process.ThreadRootDir(v.groups[0].TIDs[0]) // The leader has ended, others run on.
	}
	return err == nil && root == i.host.root // Who may not see it may not see the namespaces either.
}

// isSuspect reports whether what was read of a process is to be looked at again: it is weaker, shares
// what was not declared, or is the runtime's with the host's root directory still.
func (i *inspector) isSuspect(process *nsinspect.Process, container *snapshot.Container, found *inspected) bool {
	return len(found.weak) > 0 || len(i.node.undeclared(container, found.record)) > 0 ||
		found.record.HostRoot && i.arrivals.of(process) == arriving
}

// confirmed returns the ways in which threads are weaker that a second look has confirmed.
func (i *inspector) confirmed(container *snapshot.Container, process *snapshot.Process, group *snapshot.CredentialGroup) inventory.Weakness {
	of := i.contexts[container]
	if container.SecuritySpec() == nil || of == nil {
		return 0
	}
	return of.weaker.Of(container, group.Set, container.IsNested(process, &i.node.ref)) &^ group.Unconfirmed
}

// sandboxed takes back what was read of the processes of a container that has a kernel of its own.
func (i *inspector) sandboxed(container *snapshot.Container) {
	of := i.contexts[container]
	if of == nil {
		return
	}
	of.sandboxed, of.mounts = true, nil
	i.context(container) // It notes why.
	container.Credentials, container.UserNamespaces = nil, nil
	for k := range container.Processes {
		process := &container.Processes[k]
		process.Credentials, process.HostRoot, process.HostRootThreads, process.HostRootTIDs = nil, false, 0, nil
		for g := range process.Groups {
			for _, kind := range nsinspect.Kinds() {
				if !slices.Contains(judged(), kind) {
					process.Groups[g].Namespaces.Set(kind, nsinspect.ID{})
				}
			}
		}
	}
}

// identified takes back what rests on who a container is, which was not known when its processes
// were read: no second look was taken.
func (i *inspector) identified(container *snapshot.Container) {
	if i.depth != Namespaces && runtimes.IsSandboxed(container.Runtime) {
		i.sandboxed(container)
		return
	}
	for k := range container.Processes {
		groups := container.Processes[k].Credentials
		for g := range groups {
			groups[g].Unconfirmed = inventory.AnyWeakness
		}
	}
	if i.depth != Namespaces && container.SecuritySpec() != nil && !hasUsers(&container.Container) {
		container.UserNamespace, _ = i.node.ref.Namespaces.Get(nsinspect.User)
	}
}
