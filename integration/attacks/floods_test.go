// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// floodAttacks cost whoever looks at them as much as they can. All that was played before them is judged again beside them.
func floodAttacks() []scenario {
	return []scenario{
		{name: "400 processes share 15,000 files", in: privileged(), alone: true, also: []string{"limit"}, steps: []string{"share:400,15000"}},
		{
			name: "one of 3,000 threads", in: privileged(), alone: true, steps: []string{"threads:2999", "told", ";", "thread", toHostNet},
			want: finding("UndeclaredHostNetwork"),
		},
	}
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
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(files) + 100, Max: uint64(files) + 100}); err != nil {
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
