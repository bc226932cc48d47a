// Package socket lists the sockets of the host's network that take in what others send, from
// sock_diag(7) or from the files below /proc/PID/net (proc_pid_net(5)).
package socket
