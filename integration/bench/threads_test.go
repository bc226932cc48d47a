// SPDX-License-Identifier: Apache-2.0

//go:build integration

package bench

import (
	"context"
	"errors"
	"strconv"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// threadWays look at the threads of one process. lsns has none: it looks at processes only.
func threadWays(pid int) []way {
	return []way{
		{name: nsauditWay, look: func(ctx context.Context) (int, error) { return survey(ctx, pid) }},
		{name: bareWay, look: func(context.Context) (int, error) { return bareThreads(pid) }},
		{name: procfsWay, look: func(context.Context) (int, error) { return libraryThreads(pid) }},
	}
}

func survey(ctx context.Context, pid int) (int, error) {
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		return 0, err
	}
	defer fs.Close()
	process, err := fs.Open(pid)
	if err != nil {
		return 0, err
	}
	defer process.Close()
	seen, err := process.Survey(ctx, []nsinspect.Kind{nsinspect.Net, nsinspect.PID, nsinspect.IPC})
	return seen.Threads, err
}

func bareThreads(pid int) (int, error) {
	dir, err := unix.Open("/proc/"+strconv.Itoa(pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(dir)
	tasks, err := unix.Openat(dir, "task", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(tasks)
	seen := 0
	err = eachNumber(tasks, func(tid string) error {
		seen++
		var stat unix.Stat_t
		return errors.Join(unix.Fstatat(tasks, tid+"/ns/net", &stat, 0), unix.Fstatat(tasks, tid+"/ns/ipc", &stat, 0))
	})
	return seen, err
}

func libraryThreads(pid int) (int, error) {
	fs, err := procfs.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		return 0, err
	}
	threads, err := fs.AllThreads(pid)
	if err != nil {
		return 0, err
	}
	for _, thread := range threads {
		if _, err := thread.Namespaces(); err != nil {
			return 0, err
		}
	}
	return len(threads), nil
}
