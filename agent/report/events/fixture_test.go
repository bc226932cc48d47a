// SPDX-License-Identifier: Apache-2.0

package events

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const nodeName = "node-1"

func process(pid int, command string, groups ...nsinspect.ThreadGroup) snapshot.Process {
	return snapshot.Process{PID: pid, Command: command, Groups: groups}
}

// inHostNet is a process in the host's network namespace alone.
func inHostNet(pid int, command string) snapshot.Process {
	return process(pid, command, nstest.Group(1, 1, 102, 103))
}

func containerID(letter string) string { return strings.Repeat(letter, 64) }

// inPod is the container main of a pod.
func inPod(name, letter string, declared []nsinspect.Kind, processes ...snapshot.Process) snapshot.Container {
	return snapshot.Container{
		Container: inventory.Container{
			ID: containerID(letter), RuntimeNamespace: "k8s.io", Runtime: "io.containerd.runc.v2",
			Name: "main", Image: "docker.io/library/alpine:latest", SandboxID: "box-" + letter,
			Pod:    &inventory.Pod{Namespace: "apps", Name: name, UID: "uid-" + letter},
			Status: inventory.Running, PID: processes[0].PID,
			Declared: inventory.Declaration{By: inventory.ByPod, Host: declared},
		},
		Processes: processes,
	}
}

// pause is the sandbox of a pod of which nothing else runs.
func pause(name, letter string, declared []nsinspect.Kind, processes ...snapshot.Process) snapshot.Container {
	c := inPod(name, letter, declared, processes...)
	c.Name, c.Image, c.Sandbox, c.SandboxID = "", "", true, c.ID
	return c
}

// bare is a container without a pod.
func bare(name string, processes ...snapshot.Process) snapshot.Container {
	return snapshot.Container{
		Container: inventory.Container{
			ID: name, RuntimeNamespace: "default", Image: "docker.io/library/nginx:1.29",
			Status: inventory.Running, PID: processes[0].PID,
			Declared: inventory.Declaration{By: inventory.BySpec},
		},
		Processes: processes,
	}
}

func nodeOf(containers ...snapshot.Container) *audit.Result {
	s := &snapshot.Snapshot{Node: nodeName, Time: time.Date(2026, 11, 23, 20, 45, 0, 0, time.UTC), Host: nstest.Host(), Containers: containers, Ports: &snapshot.PortCoverage{}}
	return audit.Judge(s)
}

// hostNet is a pod that is in the host's network unasked, by its container's letter.
func hostNet(letter string) snapshot.Container {
	return inPod("web", letter, nil, inHostNet(11, "sh"))
}
