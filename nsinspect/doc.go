// SPDX-License-Identifier: Apache-2.0

// Package nsinspect reads from the Linux kernel which namespaces processes and threads are
// really in, and what restricts them: credentials, seccomp, security labels, mounts. Packages
// below it read cgroups, sockets and the rules of the packet filter.
//
// It takes the root of a procfs as a value and returns plain data. It knows nothing of
// Kubernetes, of container runtimes, of metrics or of logging: what other software names a
// cgroup or a rule, its callers hand in.
//
// Two rules hold in all of it:
//
//   - A process is a directory handle, not a number. [FS.Open] opens /proc/PID
//     once, and everything else is read relative to that handle, so that a pid
//     that the kernel reuses can never be mistaken for the process that had it
//     before: the handle then answers [ErrVanished]. A [Host] is such a handle.
//   - Every read has one of three outcomes: a value, [ErrVanished] (the process or
//     thread ended, which is normal) or [ErrDenied] (it may not be read, which is
//     never the same as "nothing there").
//
// Sources: proc(5), namespaces(7), credentials(7), capabilities(7), user_namespaces(7),
// cgroups(7), unix(7), sock_diag(7).
package nsinspect
