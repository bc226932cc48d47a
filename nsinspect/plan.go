// SPDX-License-Identifier: Apache-2.0

package nsinspect

import "math/rand/v2"

// Plan is what a survey reads of a process.
type Plan struct {
	// Kinds are the namespaces that are read of each thread.
	Kinds []Kind
	// Credentials is given the credentials of threads; nil reads none.
	Credentials CredentialVisitor
	// Labels says that the label is read of each thread whose credentials are.
	Labels bool
	// Host are the host's namespaces: of a thread beyond the cap on groups, what it has of them is
	// kept. Nil keeps nothing.
	Host *Namespaces
	// Threads limits how many threads are read; nil reads all.
	Threads *ThreadLimit
}

// ThreadLimit limits how many threads of a process are read. Which they are is left to chance, so
// that a thread can't hide behind others for long; the leader and those that are named first are
// always among them, within the limit.
type ThreadLimit struct {
	Max int
	// First returns threads that are to be read first. It is called only if there are more than
	// the limit; nil names none.
	First func() []int
}

// choose returns as many threads as are read: the leader, those that are named first, and of the
// others those behind one that is drawn.
func (l *ThreadLimit) choose(tids []int, leader int) []int {
	first := []int{leader}
	if l.First != nil {
		first = append(first, l.First()...)
	}
	from := rand.IntN(len(tids)) //nolint:gosec // Who could guess it would have to make each thread look alike.
	chosen := make([]int, 0, l.Max)
	taken := make(map[int]bool, l.Max)
	for _, some := range [...][]int{first, tids[from:], tids[:from]} {
		for _, tid := range some {
			if len(chosen) < l.Max && !taken[tid] {
				chosen, taken[tid] = append(chosen, tid), true
			}
		}
	}
	return chosen
}

// CredentialVisitor decides which credentials a survey reads, and takes them.
type CredentialVisitor interface {
	// Affords reports whether another status may be read. How large one is shows only when it
	// has been read: the kernel renders it whole.
	Affords() bool
	// Wants reports whether the credentials of a thread that is not the leader are to be read.
	// The owner is its effective user id, which costs a tenth of its credentials.
	Wants(tid int, owner uint32) bool
	// Visit takes the outcome of a read: that of the leader first, unless it has ended. A thread
	// that has ended is not visited.
	Visit(reading *Reading)
}

// Reading is the outcome of reading the credentials of one thread.
type Reading struct {
	TID int
	// Credentials are valid until Visit returns. They are nil where Err says why.
	Credentials *Credentials
	// Label is nil where there is none, where it was not asked for, and where LabelErr says why.
	Label *Label
	// Size is how many bytes the status has; 0 where it was not read to its end.
	Size int

	Err, LabelErr error
}
