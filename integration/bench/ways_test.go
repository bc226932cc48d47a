// SPDX-License-Identifier: Apache-2.0

//go:build integration

package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// way is one way to learn the namespaces of all processes.
type way struct {
	name string
	// command is what it runs as, if that is a process of its own, whose allocations can't be counted.
	command []string
	// look looks once. It returns how many processes it saw, or -1 if it can't tell.
	look func(context.Context) (int, error)
	// first says that the first look does more than later ones, which are what is measured.
	first bool
}

const (
	nsauditWay = "nsaudit"
	// firstWay is a scan that lists the open files of all processes, as the first scan does.
	firstWay = "nsaudit, first scan"
	bareWay  = "bare loop"
	// namespacesWay is a scan that reads nothing of the security context.
	namespacesWay = "namespaces only"
	procfsWay     = "prometheus/procfs"
	cgroupsWay    = "prometheus/procfs with cgroups"
	lsnsWay       = "lsns"
)

func ways() []way {
	return []way{
		{name: nsauditWay, look: scanner(agentConfig()), first: true},
		{name: firstWay, look: scanner(&scan.Config{Depth: scan.Lean})},
		{name: bareWay, look: bare},
		{name: procfsWay, look: library},
		{name: cgroupsWay, look: libraryWithCgroups},
		{name: lsnsWay, command: []string{"lsns"}, look: lsns},
	}
}

// runOnce is what strace counts. A name that is no way does nothing, which is what the others are compared with.
func runOnce(name string) error {
	all := ways()
	if text := os.Getenv(oncePIDEnv); text != "" {
		pid, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		all = threadWays(pid)
	}
	if text := os.Getenv(onceHolderEnv); text != "" {
		pid, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		all = listenerWays(pid)
	}
	i := slices.IndexFunc(all, func(w way) bool { return w.name == name })
	if i < 0 {
		return nil
	}
	_, err := all[i].look(context.Background())
	if err == nil && all[i].first {
		_, err = all[i].look(context.Background())
	}
	return err
}

// agentConfig is that of the agent's scans, without containerd. One in ten lists the open files of all processes.
func agentConfig() *scan.Config {
	return &scan.Config{Holders: new(scan.HolderCache), Depth: scan.Lean, Contexts: new(scan.ContextCache)}
}

// scanner makes whole scans.
func scanner(config *scan.Config) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
		if err != nil {
			return 0, err
		}
		defer fs.Close()
		config := *config
		config.Procfs = fs
		config.Hosts = []nsinspect.HostCandidate{{Reference: nsinspect.ByPID1, PID: 1}}
		snap, err := scan.New(config).Scan(ctx)
		if err != nil {
			return 0, err
		}
		if gaps := snap.Coverage.Gaps; len(gaps) > 0 {
			return 0, errors.New(gaps[0].Detail)
		}
		seen := 0
		for _, container := range snap.Containers {
			seen += len(container.Processes)
		}
		return seen, nil
	}
}

// bare makes the system calls with the same information, and keeps nothing. What a call costs is up to the kernel; what nsaudit
// takes on top is its own.
func bare(context.Context) (int, error) {
	proc, err := unix.Open(nsinspect.DefaultRoot, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(proc)
	seen := 0
	text := make([]byte, 4<<10)
	err = eachNumber(proc, func(pid string) error {
		seen++
		return bareProcess(proc, pid, text)
	})
	return seen, err
}

func bareProcess(proc int, pid string, text []byte) error {
	dir, err := unix.Openat(proc, pid, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	cgroup, err := unix.Openat(dir, "cgroup", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_, err = unix.Read(cgroup, text)
	_ = unix.Close(cgroup)
	if err != nil {
		return err
	}
	var stat unix.Stat_t
	for _, name := range [...]string{"ns/pid", "task", "ns/net", "ns/ipc"} {
		if err := unix.Fstatat(dir, name, &stat, 0); err != nil {
			return err
		}
	}
	return nil
}

// eachNumber calls visit with each entry of a directory that begins with a digit.
func eachNumber(dir int, visit func(name string) error) error {
	const lengthAt, nameAt = 16, 19 // In struct linux_dirent64.
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.ReadDirent(dir, buf)
		if err != nil || n == 0 {
			return err
		}
		for rest := buf[:n]; len(rest) > nameAt; rest = rest[binary.NativeEndian.Uint16(rest[lengthAt:]):] {
			if c := rest[nameAt]; c < '0' || c > '9' {
				continue
			}
			if err := visit(unix.ByteSliceToString(rest[nameAt:])); err != nil {
				return err
			}
		}
	}
}

// library is what a program would do with the procfs library that most exporters use.
func library(context.Context) (int, error) {
	return eachProc(func(process procfs.Proc) error {
		_, err := process.Namespaces()
		return err
	})
}

// libraryWithCgroups also learns which container the process belongs to, without which there is no finding.
func libraryWithCgroups(context.Context) (int, error) {
	return eachProc(func(process procfs.Proc) error {
		_, err := process.Namespaces()
		_, err2 := process.Cgroups()
		return errors.Join(err, err2)
	})
}

func eachProc(visit func(procfs.Proc) error) (int, error) {
	fs, err := procfs.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		return 0, err
	}
	processes, err := fs.AllProcs()
	if err != nil {
		return 0, err
	}
	for _, process := range processes {
		if err := visit(process); err != nil {
			return 0, err
		}
	}
	return len(processes), nil
}

// lsns runs util-linux's command. Without standard output it writes to /dev/null.
func lsns(ctx context.Context) (int, error) {
	if err := exec.CommandContext(ctx, "lsns").Run(); err != nil {
		return 0, fmt.Errorf("lsns (Debian package util-linux): %w", err)
	}
	return -1, nil
}
