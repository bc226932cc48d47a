// SPDX-License-Identifier: Apache-2.0

// Package runtimes knows how container runtimes, CNI plugins and Service proxies name their
// cgroups, processes, rules, interfaces and sockets. It is the only place with such names, and
// pure: it looks at names and at nothing else.
//
// A name proves nothing. A process that may make a cgroup, a process or a rule may name it like
// another's.
package runtimes
