// SPDX-License-Identifier: Apache-2.0

package nsinspect

// maxTIDs is how many thread ids a group names; the rest is counted.
const maxTIDs = 8

// maxGroups caps the groups of one process. A process that makes more namespaces than
// this, one a thread, is reported as truncated and so as not fully seen.
const maxGroups = 1024

// ThreadGroup is the threads of a process that are in the same namespaces.
type ThreadGroup struct {
	Namespaces Namespaces `json:"namespaces"`
	// Threads is the number of threads.
	Threads int `json:"threads"`
	// TIDs names the first of them. It is empty when all threads of the process are in
	// this group.
	TIDs []int `json:"tids,omitempty"`
}

// Survey is where all threads of one process are.
type Survey struct {
	// Groups has one entry for nearly every process.
	Groups []ThreadGroup
	// Threads is the number of threads that were read.
	Threads int
	// Denied is the number of threads that could not be read.
	Denied int
	// Truncated reports that there were more groups than the cap, so that threads are
	// missing from Groups.
	Truncated bool
	// Ended reports that no thread was left to read: a zombie, or a process that died during
	// the look. It is in no namespace.
	Ended bool
}

// add counts the thread into the group of its namespaces.
func (s *Survey) add(seen Namespaces, tid int) {
	for i := range s.Groups {
		group := &s.Groups[i]
		if group.Namespaces != seen {
			continue
		}
		group.Threads++
		if len(group.TIDs) < maxTIDs {
			group.TIDs = append(group.TIDs, tid)
		}
		return
	}
	if len(s.Groups) == maxGroups {
		s.Truncated = true
		return
	}
	s.Groups = append(s.Groups, ThreadGroup{Namespaces: seen, Threads: 1, TIDs: []int{tid}})
}
