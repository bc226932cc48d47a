// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// What a node may have open and may run. podman refuses more processes without CAP_SYS_RESOURCE, even below the hard
// limit.
const (
	maxFiles     = 1 << 20 // podman's own default
	maxProcesses = 10000
	rlimitNproc  = 6 // which package syscall lacks
)

// writePodmanSettings writes what podman needs in place of the machine's own settings.
func writePodmanSettings(dir string) (file string, err error) {
	var files, processes syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return "", fmt.Errorf("read limit of open files: %w", err)
	}
	if err := syscall.Getrlimit(rlimitNproc, &processes); err != nil {
		return "", fmt.Errorf("read limit of processes: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make directory of the cluster: %w", err)
	}
	file = filepath.Join(dir, "containers.conf")
	if err := os.WriteFile(file, []byte(podmanSettings(files.Max, processes.Max)), 0o644); err != nil {
		return "", fmt.Errorf("write podman's settings: %w", err)
	}
	return file, nil
}

// podmanSettings asks for runc, for crun refuses a mix of cgroup v1 and v2, and for limits no higher than what this
// process may give without CAP_SYS_RESOURCE. podman's own limit of 2048 processes and threads in a container is too low
// for a node: each pod has a shim and a pause process, and containerd crashes when it can start no thread.
func podmanSettings(files, processes uint64) string {
	const shape = `# Written by integration/cmd/kind.
[containers]
default_ulimits = ["nofile=%[1]d:%[1]d", "nproc=%[2]d:%[2]d"]
pids_limit = 0

[engine]
runtime = "runc"
`
	return fmt.Sprintf(shape, min(files, maxFiles), min(processes, maxProcesses))
}
