// SPDX-License-Identifier: Apache-2.0

//go:build integration

package bench

import (
	"fmt"
	"strconv"
	"testing"
)

// threadCount is of the process with many threads.
const threadCount = 1000

// listenerCount is of each network.
const listenerCount = 100

// maxTraced is how many processes a look under strace has at most: with more it takes minutes and says the same.
const maxTraced = 1000

// BenchmarkScan looks at every process of a node.
func BenchmarkScan(b *testing.B) {
	for _, count := range []int{100, 1_000, 10_000} {
		b.Run(strconv.Itoa(count), func(b *testing.B) {
			n := newNode(b)
			n.fill(b, count, asIs)
			t := table{unit: "process", results: measure(b, ways(), count)}
			t.title = fmt.Sprintf("%d processes in %d containers, %s; median of %d rounds", count, n.containers, n.cgroups, b.N*minRounds)
			if count <= maxTraced {
				if err := countSyscalls(b, t.results, count); err != nil {
					t.notes = append(t.notes, err.Error())
				}
			}
			report(b, t.results, t.unit)
			tables = append(tables, t)
		})
	}
}

// BenchmarkContexts looks at every process of a node and at what it may do.
func BenchmarkContexts(b *testing.B) {
	const count = 1_000
	n := newNode(b)
	n.fill(b, count, confined)
	t := table{unit: "process", results: measure(b, contextWays(b, n), count)}
	t.title = fmt.Sprintf("The security context of %d processes in %d containers, %s; median of %d rounds", count, n.containers, n.cgroups, b.N*minRounds)
	report(b, t.results, t.unit)
	tables = append(tables, t)
}

// BenchmarkListeners looks for the sockets of a network that take in what others send: alone, and among thousands that are
// connected.
func BenchmarkListeners(b *testing.B) {
	for _, sockets := range []int{listenerCount, 10_000} {
		b.Run(strconv.Itoa(sockets), func(b *testing.B) {
			n := newNode(b)
			pid := n.sockets(b, listenerCount, (sockets-listenerCount)/2)
			err := n.inNetworkOf(pid, func() {
				t := table{unit: "listener", results: measure(b, listenerWays(pid), listenerCount)}
				t.title = fmt.Sprintf("%d listeners among %d sockets of TCP; median of %d rounds", listenerCount, sockets, b.N*minRounds)
				if err := countSyscalls(b, t.results, listenerCount, onceHolderEnv+"="+strconv.Itoa(pid)); err != nil {
					t.notes = append(t.notes, err.Error())
				}
				report(b, t.results, t.unit)
				tables = append(tables, t)
			})
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkThreads looks at every thread of one process.
func BenchmarkThreads(b *testing.B) {
	n := newNode(b)
	pid := n.threads(b, threadCount)
	t := table{unit: "thread", results: measure(b, threadWays(pid), threadCount)}
	t.title = fmt.Sprintf("One process with %d threads; median of %d rounds", threadCount, b.N*minRounds)
	if err := countSyscalls(b, t.results, threadCount, oncePIDEnv+"="+strconv.Itoa(pid)); err != nil {
		t.notes = append(t.notes, err.Error())
	}
	report(b, t.results, t.unit)
	tables = append(tables, t)
}
