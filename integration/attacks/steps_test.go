// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// steps are what attackers can do beyond the steps of every test's /bin/act. They concern the calling thread, which is
// the first one of the process unless "thread" or "aside" comes before.
func steps() map[string]runtimetest.Step {
	all := map[string]runtimetest.Step{
		"setns": join,    // setns:/host/proc/1/ns/net,/host/proc/1/ns/ipc
		"sleep": sleep,   // sleep:500 (milliseconds)
		"name":  setName, // name:runc
		// The steps are taken as far as others are concerned.
		"told": func(string) error { return runtimetest.Tell() },
		"exit": func(string) error { os.Exit(0); return nil },
	}
	for _, more := range []map[string]runtimetest.Step{namespaceSteps(), cgroupSteps(), socketSteps(), ruleSteps(), floodSteps()} {
		maps.Copy(all, more)
	}
	return all
}

// lastSteps take the steps that follow.
func lastSteps() map[string]runtimetest.LastStep {
	return map[string]runtimetest.LastStep{
		// Another thread takes the rest, which may never end.
		"aside": aside,
		// disguise:runc:[1:CHILD]: the rest is taken under this command, which stays.
		"disguise": disguise,
		// The rest is taken again and again.
		"repeat": func(a *runtimetest.Actor, _ string, args []string) error {
			for {
				if err := a.Act(args); err != nil {
					return err
				}
			}
		},
		// born:pid,ipc: a child in new namespaces of these kinds takes the rest.
		"born": func(_ *runtimetest.Actor, kinds string, args []string) error {
			flags, err := flags(strings.Split(kinds, ","))
			if err != nil {
				return err
			}
			return runtimetest.Fork(uintptr(flags), args)
		},
		// hop:50: the rest is taken, and 50 ms later another process has taken this one's place.
		"hop": hop,
		// memfd:runc: the rest is taken by a copy of this program in memory.
		"memfd": inMemory,
		// copy:/tmp/runc: the rest is taken by a copy of this program.
		"copy": elsewhere,
		// threads:1000: as many threads take the rest.
		"threads": func(a *runtimetest.Actor, value string, args []string) error {
			n, err := strconv.Atoi(value)
			for range n {
				err = errors.Join(err, aside(a, "", args))
			}
			return err
		},
	}
}

func join(value string) error {
	for path := range strings.SplitSeq(value, ",") {
		namespace, err := os.Open(os.ExpandEnv(path))
		if err != nil {
			return err
		}
		err = unix.Setns(int(namespace.Fd()), 0)
		namespace.Close()
		if err != nil {
			return fmt.Errorf("setns %s: %w", path, err)
		}
	}
	return nil
}

func setName(name string) error {
	text, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(text)), 0, 0, 0)
}

func disguise(a *runtimetest.Actor, name string, args []string) error {
	if err := runtimetest.Tell(); err != nil {
		return err
	}
	if err := setName(name); err != nil {
		return err
	}
	if err := a.Act(args); err != nil {
		return err
	}
	for {
		_ = unix.Pause()
	}
}

func sleep(value string) error {
	n, err := strconv.Atoi(value)
	if err != nil {
		return err
	}
	time.Sleep(time.Duration(n) * time.Millisecond)
	return nil
}

// aside has a thread of its own take the steps. What fails there ends the process.
func aside(a *runtimetest.Actor, _ string, args []string) error {
	var run func()
	run = func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			go run() // this goroutine keeps the first thread
			select {}
		}
		if err := a.Act(args); err != nil {
			fmt.Fprintf(os.Stderr, "aside: %v\n", err)
			os.Exit(1)
		}
		select {} // the thread stays where it is
	}
	go run()
	return nil
}
