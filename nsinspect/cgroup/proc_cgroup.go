// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// maxCgroupBytes caps /proc/PID/cgroup. A path has at most PATH_MAX bytes, and there are
// about a dozen v1 hierarchies besides v2's.
const maxCgroupBytes = 64 << 10

// cgroupBufSize takes nearly every /proc/PID/cgroup in one read.
const cgroupBufSize = 2 << 10

// Entry is one line of /proc/PID/cgroup (cgroups(7)): the process's place in one
// hierarchy.
type Entry struct {
	// Hierarchy is the hierarchy's number; V2 is that of cgroup v2.
	Hierarchy string
	// Path is relative to the root of the reader's cgroup namespace and starts with
	// "/..", once a level, where it lies outside of it.
	Path string
}

// V2 is the hierarchy of cgroup v2. The others are of v1.
const V2 = "0"

// IsV2 reports whether the entry is of cgroup v2.
func (e Entry) IsV2() bool { return e.Hierarchy == V2 }

// Read returns the process's place in each cgroup hierarchy, from /proc/PID/cgroup,
// v2's first. Anyone may read it.
func Read(process *nsinspect.Process) ([]Entry, error) {
	return readAt(process, "")
}

// ReadLive is Read, but reads another thread's where the leader has ended while
// others run on: the kernel then shows the root of each v1 hierarchy for it
// (kernel/cgroup/cgroup.c, proc_cgroup_show), under which a process could hide.
func ReadLive(ctx context.Context, process *nsinspect.Process) ([]Entry, error) {
	entries, err := readAt(process, "")
	if err != nil || !allV1AtRoot(entries) {
		return entries, err
	}
	_, err = process.InPlaceOfLeader(ctx, func(dir string) error {
		others, err := readAt(process, dir)
		if !errors.Is(err, nsinspect.ErrVanished) {
			entries = others
		}
		return err
	})
	return entries, err
}

// allV1AtRoot reports whether there are v1 hierarchies and each shows "/", as for kernel
// threads and dead leaders. v2 keeps showing where a dead leader was.
func allV1AtRoot(entries []Entry) bool {
	v1 := 0
	for _, entry := range entries {
		if entry.IsV2() {
			continue
		}
		if entry.Path != "/" {
			return false
		}
		v1++
	}
	return v1 > 0
}

func readAt(process *nsinspect.Process, dir string) ([]Entry, error) {
	text, err := procfd.ReadAll(process.FD(), dir+"cgroup", make([]byte, cgroupBufSize), maxCgroupBytes)
	if err != nil {
		return nil, procfd.Classify(fmt.Sprintf("read cgroups of process %d", process.PID()), err)
	}
	entries, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read cgroups of process %d: %w", process.PID(), err)
	}
	return entries, nil
}

// deletedSuffix marks the path of a cgroup that was removed while a zombie was still in it.
const deletedSuffix = " (deleted)"

// Parse decodes the text of /proc/PID/cgroup. Entries of v2 come first, the others
// keep their order, and lines with the same path as the one before are kept: each is a
// hierarchy of its own.
func Parse(text []byte) ([]Entry, error) {
	// One string for all, so that the entries share it.
	lines := string(bytes.TrimSuffix(text, []byte("\n")))
	entries := make([]Entry, 0, strings.Count(lines, "\n")+1)
	for line := range strings.SplitSeq(lines, "\n") {
		hierarchy, rest, ok := strings.Cut(line, ":")
		_, path, ok2 := strings.Cut(rest, ":")
		if !ok || !ok2 || !strings.HasPrefix(path, "/") {
			return nil, fmt.Errorf("malformed cgroup line %q", line)
		}
		entry := Entry{Hierarchy: hierarchy, Path: strings.TrimSuffix(path, deletedSuffix)}
		if entry.IsV2() && len(entries) > 0 {
			entries = slices.Insert(entries, 0, entry)
			continue
		}
		entries = append(entries, entry)
	}
	return entries, nil
}
