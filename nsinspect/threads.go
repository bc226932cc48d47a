// SPDX-License-Identifier: Apache-2.0

package nsinspect

import "slices"

// maxTIDs is how many thread ids a group names; the rest is counted.
const maxTIDs = 8

// maxGroups caps the groups of one process. A process that makes more namespaces than
// this, one a thread, is reported as truncated and so as not fully seen. Of a thread beyond it those
// that are the host's are kept: there are far fewer sets of them.
const maxGroups = 1024

// fewGroups are found without an index.
const fewGroups = 16

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
	// missing from Groups, or only those of their namespaces are there that are the host's.
	Truncated bool
	// Skipped is the number of threads beyond the plan's limit, which were not read.
	Skipped int
	// Ended reports that no thread was left to read: a zombie, or a process that died during
	// the look. It is in no namespace.
	Ended bool
}

// groups sorts threads into the groups of a survey.
type groups struct {
	survey *Survey
	// index has their places, once there are more than a few.
	index map[Namespaces]int
}

// add counts the thread into the group of its namespaces. Of one beyond the cap it takes what is left
// of them by host: nothing of a thread that has none of the host's.
func (g *groups) add(seen Namespaces, tid int, host func(Namespaces) Namespaces) {
	at := g.find(seen)
	if at < 0 && len(g.survey.Groups) >= maxGroups {
		g.survey.Truncated = true
		if seen = host(seen); seen.IsZero() {
			return
		}
		at = g.find(seen)
	}
	if at < 0 {
		g.append(seen, tid)
		return
	}
	group := &g.survey.Groups[at]
	group.Threads++
	if len(group.TIDs) < maxTIDs {
		group.TIDs = append(group.TIDs, tid)
	}
}

// find returns the place of a group, or -1.
func (g *groups) find(seen Namespaces) int {
	if g.index != nil {
		if at, ok := g.index[seen]; ok {
			return at
		}
		return -1
	}
	return slices.IndexFunc(g.survey.Groups, func(group ThreadGroup) bool { return group.Namespaces == seen })
}

func (g *groups) append(seen Namespaces, tid int) {
	g.survey.Groups = append(g.survey.Groups, ThreadGroup{Namespaces: seen, Threads: 1, TIDs: []int{tid}})
	switch all := g.survey.Groups; {
	case g.index != nil:
		g.index[seen] = len(all) - 1
	case len(all) > fewGroups:
		g.index = make(map[Namespaces]int)
		for at := range all {
			g.index[all[at].Namespaces] = at
		}
	}
}
