// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// HostRoot asks whether threads of a container have the host's root directory as theirs, though
// their mount namespace is another: by chroot(2) into a mount of it.
const HostRoot Check = "HostRoot"

func hostRoot() *contextCheck {
	return &contextCheck{
		traits: traits{
			name:     HostRoot,
			verdicts: []Verdict{Allowed, Undeclared},
			posture:  []Verdict{Allowed},
			controls: []string{"PSS baseline: HostPath Volumes", "ATT&CK T1611"},
		},
		reads: fromProcesses,
		judge: judgeHostRoot,
	}
}

func judgeHostRoot(s *subject) []contextVerdict {
	evidence := new(SecurityEvidence)
	for i := range s.Processes {
		process := &s.Processes[i]
		switch threads, tids := s.threadsAtHostRoot(process); {
		case process.HostRoot && s.outOfHostMounts(process):
			evidence.add(ProcessEvidence{PID: process.PID, Command: process.Command, Left: process.Left, Threads: threadsOf(process)})
		case threads > 0:
			evidence.add(ProcessEvidence{PID: process.PID, Command: process.Command, Left: process.Left, Threads: threads, TIDs: tids})
		}
	}
	if !evidence.found() {
		return nil
	}
	evidence.actual("the host's root directory")
	if point, ok := declaresRoot(s.declaredMounts()); ok {
		evidence.declared("/ at " + point)
		return []contextVerdict{s.allowed(evidence)}
	}
	return []contextVerdict{undeclared(evidence)}
}

// outOfHostMounts reports whether a process is in another mount namespace than the host's, where
// it has the host's root directory as a matter of course: that is [HostMount]'s to judge.
func (s *subject) outOfHostMounts(process *snapshot.Process) bool {
	in, ok := namespaceOf(process, nsinspect.Mnt)
	if !ok {
		return !slices.Contains(s.spec.Host, nsinspect.Mnt)
	}
	return in != s.hostMounts
}

// threadsAtHostRoot returns how many threads of a process alone have the host's root directory, and
// the first of them. Those in the host's mount namespace are [HostMount]'s to judge.
func (s *subject) threadsAtHostRoot(process *snapshot.Process) (threads int, tids []int) {
	threads = process.HostRootThreads
	for _, tid := range process.HostRootTIDs {
		if s.isInHostMounts(process, tid) {
			threads--
		} else {
			tids = append(tids, tid)
		}
	}
	return threads, tids
}

func (s *subject) isInHostMounts(process *snapshot.Process, tid int) bool {
	return slices.ContainsFunc(process.Groups, func(group nsinspect.ThreadGroup) bool {
		in, ok := group.Namespaces.Get(nsinspect.Mnt)
		return ok && in == s.hostMounts && (len(process.Groups) == 1 || slices.Contains(group.TIDs, tid))
	})
}

func threadsOf(process *snapshot.Process) int {
	threads := 0
	for i := range process.Groups {
		threads += process.Groups[i].Threads
	}
	return max(threads, 1)
}

// declaredMounts returns the mounts that the pod asks for and those that the runtime was told of.
func (s *subject) declaredMounts() []inventory.Mount {
	mounts := slices.Clone(s.spec.Mounts)
	if s.request != nil {
		for _, asked := range s.request.Mounts {
			same := func(m inventory.Mount) bool { return m.Source == asked.Source && m.Point == asked.Point }
			if !slices.ContainsFunc(s.spec.Mounts, same) {
				mounts = append(mounts, asked)
			}
		}
	}
	return mounts
}
