// SPDX-License-Identifier: Apache-2.0

// Package bench measures what one scan costs on nodes with 100, 1,000 and 10,000 processes, and on a process with a
// thousand threads, next to three other ways to learn about the same namespaces: the bare system calls in a loop,
// github.com/prometheus/procfs, and lsns. It does the same for the listeners of a network with 100 and 10,000 sockets,
// next to ss in place of lsns.
//
// The processes are real ones, in cgroups that look like Docker's and in network, pid and ipc namespaces that each
// container has for itself. They live in a pid namespace that the benchmarks make for themselves, with a procfs of its
// own: nothing else that runs on the machine is measured, and the kernel ends them all however the benchmarks end.
//
// Beside that it measures what it costs to read the host ports that the packet filter forwards, next to the library
// github.com/google/nftables and to nft.
//
// BenchmarkFloods, which make bench-floods runs, has 20 containers flood a node with what costs a scan most, and measures
// how much later it finds what one of 200 others does.
//
// All ways take turns within one round, so that whatever else the machine does hits them alike, and what is reported is
// the median of the rounds. Run it with make bench; docs/performance.md explains the numbers.
package bench
