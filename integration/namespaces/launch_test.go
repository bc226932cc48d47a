// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/integration/internal/reexec"
)

// launchOptions say how a role is started.
type launchOptions struct {
	role role
	// flags are CLONE_NEW flags of the process.
	flags uintptr
	// cgroup is a directory that it is put into before it does anything; "" for the test's.
	cgroup string
	// uid is the user that it runs as; 0 for root.
	uid uint32
	// through is a command that starts it; nil for none.
	through []string
}

// launched is a process that plays a role until the test ends.
type launched struct {
	t     *testing.T
	pid   int
	in    io.WriteCloser
	out   *bufio.Reader
	lines []string
	cmd   *exec.Cmd
	ended bool
}

// deadline is how long a role may take to do its part.
const deadline = 30 * time.Second

func launch(t *testing.T, options launchOptions) *launched {
	t.Helper()
	cmd := options.role.command()
	if len(options.through) > 0 {
		program, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		args := append(slices.Clone(options.through[1:]), program, options.role.spec())
		cmd = exec.Command(options.through[0], args...)
		cmd.Env = reexec.Environ(options.role.Do)
	}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: options.flags}
	if options.uid != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: options.uid, Gid: options.uid}
	}
	if options.flags&syscall.CLONE_NEWUSER != 0 {
		ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100_000, Size: 1}}
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = ids, ids
		// Without this it would stay the host's root, which is nobody there.
		cmd.SysProcAttr.Credential = &syscall.Credential{NoSetGroups: true}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &launched{t: t, pid: cmd.Process.Pid, in: in, out: bufio.NewReader(out), cmd: cmd}
	t.Cleanup(p.end)
	if err := out.(*os.File).SetReadDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	if options.cgroup != "" {
		join(t, options.cgroup, p.pid)
	}
	p.send()
	return p
}

// send lets the role go on.
func (p *launched) send() {
	p.t.Helper()
	if _, err := io.WriteString(p.in, "\n"); err != nil {
		p.t.Fatal(err)
	}
}

// ready waits until the role has done its part, and returns what it prints then.
func (p *launched) ready() string {
	p.t.Helper()
	return p.await("ready")
}

// number is ready for a role that prints a number.
func (p *launched) number() int {
	p.t.Helper()
	return p.toNumber(p.ready())
}

// child waits for the pid of the role's child.
func (p *launched) child() int {
	p.t.Helper()
	return p.toNumber(p.await("child"))
}

func (p *launched) toNumber(text string) int {
	p.t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// await returns the rest of the next line that begins with this word. A role and its child
// print in either order.
func (p *launched) await(word string) string {
	p.t.Helper()
	for i, line := range p.lines {
		if rest, ok := strings.CutPrefix(line, word); ok {
			p.lines = append(p.lines[:i], p.lines[i+1:]...)
			return strings.TrimSpace(rest)
		}
	}
	for {
		line, err := p.out.ReadString('\n')
		if err != nil {
			p.t.Fatalf("wait for the line %q of process %d: %v", word, p.pid, err)
		}
		if rest, ok := strings.CutPrefix(line, word); ok {
			return strings.TrimSpace(rest)
		}
		if strings.HasPrefix(line, "error: ") {
			p.t.Fatalf("process %d: %s", p.pid, line)
		}
		p.lines = append(p.lines, line)
	}
}

// snap decodes what a role that scans prints.
func (p *launched) snap() *snapshot.Snapshot {
	p.t.Helper()
	snap, err := snapshot.Decode(bytes.NewBufferString(p.ready()))
	if err != nil {
		p.t.Fatal(err)
	}
	return snap
}

// end ends the process and waits until it is gone.
func (p *launched) end() {
	if p.ended {
		return
	}
	p.ended = true
	_ = p.in.Close()
	// A role whose thread is stuck in the kernel must not stop the tests.
	stuck := time.AfterFunc(deadline, func() { _ = p.cmd.Process.Kill() })
	defer stuck.Stop()
	if err := p.cmd.Wait(); err != nil && p.t.Context().Err() == nil {
		fmt.Fprintf(os.Stderr, "process %d: %v\n", p.pid, err)
	}
}
