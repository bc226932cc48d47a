// SPDX-License-Identifier: Apache-2.0

package runtimes

import "strings"

// runcInit is runc's own process before it becomes the container's program.
const runcInit = "runc:[2:INIT]"

// IsInit recognises a runtime's own process that is in its container's namespaces already,
// but is not yet the container's program, by its name.
func IsInit(command string) bool { return command == runcInit }

// IsEntering recognises a runtime's own process on its way into a container, by its name:
// runc's, whose stages are runc:[0:PARENT] to runc:[2:INIT], crun's, or youki's.
func IsEntering(command string) bool {
	return strings.HasPrefix(command, "runc") || strings.HasPrefix(command, "crun") || strings.HasPrefix(command, "youki")
}

// KeepsPort recognises a process of the host, by its name, that holds a socket only so that
// no other takes the port of a container, or that forwards the port itself beside the rule.
func KeepsPort(command string) bool {
	switch command {
	case dockerProxy, conmon, rootlessPort:
		return true
	}
	return false
}
