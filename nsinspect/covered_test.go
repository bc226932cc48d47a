// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCoveredBy has what is mounted on a procfs and beside it.
func TestCoveredBy(t *testing.T) {
	t.Parallel()
	mounts := []Mount{
		{ID: 1, Point: "/", FSType: "ext4"},
		{ID: 2, Parent: 1, Point: "/host/proc", FSType: "proc"},
		{ID: 3, Parent: 2, Point: "/host/proc/sys/fs/binfmt_misc", FSType: "binfmt_misc"},
		{ID: 4, Parent: 2, Point: "/host/proc/41", FSType: "tmpfs"},
		{ID: 5, Parent: 4, Point: "/host/proc/41/ns", FSType: "tmpfs"}, // On what covers the process.
		{ID: 6, Parent: 2, Point: "/host/proc/42/task/43/ns", FSType: "fuse"},
		{ID: 7, Parent: 2, Point: "/host/proc/42/ns", FSType: "fuse"},
		{ID: 8, Parent: 1, Point: "/host/proc2/44", FSType: "tmpfs"},
		{ID: 9, Parent: 1, Point: "/proc", FSType: "proc"},
		{ID: 10, Parent: 9, Point: "/proc/45", FSType: "tmpfs"}, // On another procfs.
	}
	for id, want := range map[uint64]map[int]string{
		2:  {41: "", 42: "ns"},
		9:  {45: ""},
		1:  {}, // It is no procfs.
		99: {},
	} {
		if diff := cmp.Diff(want, coveredBy(mounts, id)); diff != "" {
			t.Errorf("on mount %d (-want +got):\n%s", id, diff)
		}
	}
}
