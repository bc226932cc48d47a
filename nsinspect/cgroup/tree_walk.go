// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// maxCgroups caps the cgroups that are looked at. A node with 500 containers has about
// 2,000.
const maxCgroups = 64 << 10

// walk looks for directories by their inodes, which are the ids of cgroups. It goes down level by
// level, so that a container that makes many cgroups below its own hides few others.
type walk struct {
	dir    int
	wanted map[uint64]bool
	// found holds the paths, relative to the root: "" is the root itself.
	found map[uint64]string
	nodes []directory
	limit int
}

// directory is a directory that was seen. Whole paths would take far more memory.
type directory struct {
	parent int
	name   string
}

func newWalk(dir int, ids []uint64) *walk {
	w := &walk{
		dir:    dir,
		wanted: make(map[uint64]bool, len(ids)),
		found:  make(map[uint64]string, len(ids)),
		limit:  maxCgroups,
	}
	for _, id := range ids {
		w.want(id)
	}
	return w
}

func (w *walk) want(id uint64) { w.wanted[id] = true }

// run walks until all are found, or all directories were listed.
func (w *walk) run(ctx context.Context) error {
	var stat unix.Stat_t
	if err := unix.Fstat(w.dir, &stat); err != nil {
		return fmt.Errorf("look at the root: %w", err)
	}
	w.nodes = append(w.nodes, directory{parent: -1})
	w.note(stat.Ino, 0)
	var failures []error
	buffer := new(procfd.Buffer)
	for i := 0; i < len(w.nodes) && len(w.wanted) > 0; i++ {
		err := w.list(ctx, i, buffer)
		if errors.Is(err, nsinspect.ErrTooLarge) || ctx.Err() != nil {
			return err
		}
		if err != nil && len(failures) == 0 {
			failures = append(failures, err)
		}
	}
	if len(w.wanted) == 0 {
		return nil
	}
	return errors.Join(failures...)
}

// list adds the directories in a directory.
func (w *walk) list(ctx context.Context, node int, buffer *procfd.Buffer) error {
	path := "." + w.path(node)
	// As in most file systems, a directory without subdirectories has two links. Most cgroups
	// have none, and listing them is what takes the time.
	var stat unix.Stat_t
	err := procfd.Stat(w.dir, path, &stat, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && stat.Nlink == 2 {
		return nil
	}
	fd := -1
	if err == nil {
		fd, err = procfd.OpenDir(w.dir, path)
	}
	if err == nil {
		err = w.listOpen(ctx, node, fd, buffer)
		procfd.Close(fd)
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		return nil // It was removed meanwhile.
	}
	return procfd.Classify(fmt.Sprintf("list cgroup %.200q", path), err)
}

func (w *walk) listOpen(ctx context.Context, node, fd int, buffer *procfd.Buffer) error {
	return procfd.EachEntry(ctx, fd, buffer, func(entry procfd.Dirent) error {
		if entry.Kind != unix.DT_DIR {
			return nil
		}
		if len(w.nodes) == w.limit {
			return fmt.Errorf("more than %d cgroups: %w", w.limit, nsinspect.ErrTooLarge)
		}
		w.nodes = append(w.nodes, directory{parent: node, name: string(entry.Name)})
		w.note(entry.Ino, len(w.nodes)-1)
		return nil
	})
}

// note records a directory if it is wanted.
func (w *walk) note(id uint64, node int) {
	if w.wanted[id] {
		delete(w.wanted, id)
		w.found[id] = w.path(node)
	}
}

// path returns the path of a directory, with a slash before each name.
func (w *walk) path(node int) string {
	var names []string
	for ; node > 0; node = w.nodes[node].parent {
		names = append(names, "/"+w.nodes[node].name)
	}
	slices.Reverse(names)
	return strings.Join(names, "")
}
