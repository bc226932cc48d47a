// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// userHZ is the number of ticks a second in which the kernel shows times to processes. It is
// the same on every architecture that Go supports (USER_HZ of asm/param.h).
const userHZ = 100

// maxStart is far beyond any time that a system ran, and keeps the arithmetic right.
const maxStart = 100 * 365 * 24 * 60 * 60 * userHZ

// Age returns how long ago the process started, from /proc/PID/stat (proc_pid_stat(5),
// starttime). The time that the machine slept counts. Anyone may read it.
func (p *Process) Age() (time.Duration, error) {
	doing := fmt.Sprintf("read age of process %d", p.pid)
	text, err := procfd.ReadAll(p.fd, "stat", make([]byte, statBufSize), statBufSize)
	if err != nil {
		return 0, procfd.Classify(doing, err)
	}
	stat, ok := parseStat(text)
	if !ok || stat.start > maxStart {
		return 0, fmt.Errorf("%s: malformed stat", doing)
	}
	// Both are as the reader's time namespace shows them (time_namespaces(7)).
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0, fmt.Errorf("%s: read the clock: %w", doing, err)
	}
	return time.Duration(now.Nano()) - time.Duration(stat.start)*(time.Second/userHZ), nil
}
