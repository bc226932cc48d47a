// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"context"
	"fmt"

	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// floodAttacks cost whoever looks at them as much as they can. All that was played before them is judged again beside them.
func floodAttacks() []scenario {
	return []scenario{
		{name: "400 processes share 15,000 files", in: manyFiles(), alone: true, steps: []string{"share:400,15000"}, want: unknown("limit")},
		{
			name: "one of 3,000 threads", in: privileged(), alone: true, steps: []string{"threads:2999", "told", ";", "thread", toHostNet},
			want: finding("UndeclaredHostNetwork"),
		},
	}
}

// manyFiles is a container whose processes may have as many files open as most runtimes let them.
func manyFiles() box {
	const files = 16_000
	b := ordinary()
	b.options = []oci.SpecOpts{func(_ context.Context, _ oci.Client, _ *containers.Container, spec *oci.Spec) error {
		spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: files, Soft: files}}
		return nil
	}}
	return b
}

func floodInnocents() []scenario {
	return []scenario{{name: "50 processes", in: ordinary(), steps: []string{"fork:50"}}}
}

func floodSteps() map[string]runtimetest.Step {
	return map[string]runtimetest.Step{
		"share": shareFiles, // share:400,15000: as many processes with one table of as many files
	}
}

func shareFiles(value string) error {
	var processes, files int
	if _, err := fmt.Sscanf(value, "%d,%d", &processes, &files); err != nil {
		return err
	}
	for range files {
		if _, err := unix.Open("/dev/null", unix.O_RDONLY, 0); err != nil {
			return err
		}
	}
	for range processes {
		pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, unix.CLONE_FILES|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		if errno != 0 {
			return errno
		}
		for pid == 0 {
			// The child has none of Go's threads: it may do nothing else.
			unix.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
		}
	}
	return nil
}
