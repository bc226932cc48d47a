// SPDX-License-Identifier: Apache-2.0

// Package socket lists the listening sockets of the host's network namespace, from sock_diag(7)
// or from the files below /proc/PID/net (proc_pid_net(5)).
package socket
