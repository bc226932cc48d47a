// SPDX-License-Identifier: Apache-2.0

package runtimes

import "strings"

// runcInit is runc's own process before it becomes the container's program.
const runcInit = "runc:[2:INIT]"

// IsInit recognises a runtime's own process that is in its container's namespaces already,
// but is not yet the container's program, by its name.
func IsInit(command string) bool { return command == runcInit }

// programs are the container runtimes that start processes in containers: runc, crun (krun is a link to
// it), youki, Sysbox's, and Docker's of old.
var programs = [...]string{"runc", "crun", "krun", "youki", "sysbox-runc", "docker-runc"}

// IsRuntime recognises a container runtime that starts processes in containers, by its command or by
// the path of its executable. crun executes a copy of itself in memory, and may have no other name
// than that of the copy. A name is worth something only where no container can have chosen it.
func IsRuntime(name string) bool {
	name = strings.TrimPrefix(name, "memfd:")
	if path, ok := strings.CutPrefix(name, "/memfd:"); ok {
		name = path
	} else {
		name = name[strings.LastIndexByte(name, '/')+1:]
	}
	for _, program := range programs {
		if strings.HasPrefix(name, program) {
			return true
		}
	}
	return false
}

// IsShim recognises what takes in the processes of a container once the runtime has ended: a shim of
// containerd, or conmon of CRI-O and Podman. It can be trusted as that of IsRuntime can.
func IsShim(name string) bool {
	name = name[strings.LastIndexByte(name, '/')+1:]
	return strings.HasPrefix(name, "containerd-shim") || strings.HasPrefix(name, conmon)
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
