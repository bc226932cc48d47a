// Package nsinspect reads from the Linux kernel which namespaces processes and
// threads are really in, which container a process belongs to, and which sockets of
// the host's network take in what others send.
//
// It knows nothing of Kubernetes, of a container runtime's API, of metrics or of
// logging: it takes the root of a procfs as a value and gives back plain data.
//
// Two rules hold everywhere in it:
//
//   - A process is a directory handle, not a number. [FS.Open] opens /proc/PID
//     once, and everything else is read relative to that handle, so that a pid
//     that the kernel hands out again can never be mistaken for the process that
//     had it before: the handle then answers [ErrVanished].
//   - Every read has one of three outcomes: a value, [ErrVanished] (the process or
//     thread ended, which is normal) or [ErrDenied] (it could not be looked at,
//     which is never the same as "nothing there").
//
// Sources: proc(5), namespaces(7), cgroups(7), unix(7), sock_diag(7).
package nsinspect
