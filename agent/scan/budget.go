// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"time"

	"golang.org/x/sys/unix"
)

// Of how many processes and threads of one container a scan reads what. Beyond it the container is
// unknown, as far as it was not read.
const (
	// maxThreads caps the threads beyond the first of each process. Which of a process are read is
	// left to chance, so that each is read at some time.
	maxThreads = 16 << 10
	// fewThreads are read of each process, whatever others have.
	fewThreads = 8
	// maxStatuses caps the threads whose credentials are read.
	maxStatuses = 16 << 10
	// maxRecordedOfOne caps the processes that a snapshot holds, but for some that share with the
	// host.
	maxRecordedOfOne = 16 << 10
	spareRecorded    = 1 << 10
	// fewRecorded are held whatever other containers have.
	fewRecorded = 512
)

// What one scan spends on the open files of one container. Beyond it, which sockets of the host's
// network it has is unknown.
const (
	// maxFiles caps the files.
	maxFiles = 64 << 10
	// fileTime is the processor time that a file counts as: some take the kernel far longer, such as
	// the information about an epoll(7) instance with 100,000 members (/proc/PID/fdinfo).
	fileTime = 8 * time.Microsecond
	// processFiles is how many files it counts as to open a process.
	processFiles = 8
	// maxNodeFiles caps the files of all containers, beyond the first share of each that the runtime
	// knows.
	maxNodeFiles = 400_000
)

// fileShares are how many files of each container are listed before it is the turn of the next, one
// round after another: who has few files is seen whole before who has many.
func fileShares() []int { return []int{1 << 10, 4 << 10, 16 << 10, maxFiles} }

// fileBudget is what one scan has spent on the open files of a container.
type fileBudget struct {
	files int
	time  time.Duration
}

// used is what was spent, in files.
func (b *fileBudget) used() int { return max(b.files, int(b.time/fileTime)) }

// threadTime returns how much processor time this thread has used. Unlike a clock, it does not run
// while others have the processor: what a container is charged with does not depend on them.
func threadTime() time.Duration {
	var used unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used); err != nil {
		return 0 // Then the number of files alone counts.
	}
	return time.Duration(used.Nano())
}
