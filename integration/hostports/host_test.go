// SPDX-License-Identifier: Apache-2.0

//go:build integration

package hostports_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
)

// host is a network namespace that stands for the host's, and the process that keeps it.
type host struct {
	t      testing.TB
	reader *netfilter.Reader
	*nsinspect.Host
}

// newHost makes a network namespace without any rule.
func newHost(t testing.TB) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these tests make network namespaces, which takes root. Run: sudo env \"PATH=$PATH\" make integration-hostports")
	}
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fs.Close() })
	opened, err := fs.Host(nil, nsinspect.HostCandidate{Reference: nsinspect.ByHostPID, PID: keepNamespace(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opened.Close)
	h := &host{t: t, reader: scan.NewForwardReader(), Host: opened}
	h.run("", "ip", "link", "set", "lo", "up")
	// The rules of the tests are about these addresses.
	h.run("", "ip", "address", "add", "192.168.0.2/32", "dev", "lo")
	h.run("", "ip", "address", "add", "10.88.0.1/32", "dev", "lo")
	h.run("", "ip", "route", "add", "local", "192.0.2.0/24", "dev", "lo")
	h.run("", "ip", "-6", "route", "add", "local", "2001:db8::/32", "dev", "lo")
	return h
}

// keepNamespace starts a process in a network namespace of its own, and returns its pid.
func keepNamespace(t testing.TB) int {
	t.Helper()
	keeper := exec.Command("cat")
	keeper.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	in, err := keeper.StdinPipe() // It ends with the test's process, however that ends.
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := keeper.Wait(); err != nil {
			t.Error(err)
		}
	})
	return keeper.Process.Pid
}

// inside calls do on a thread in the namespace. What do starts is in it too.
func (h *host) inside(do func() error) {
	h.t.Helper()
	if err := h.enter(do); err != nil {
		h.t.Fatal(err)
	}
}

// enter is inside for other goroutines than the test's.
func (h *host) enter(do func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // And never unlocked: the thread ends with the goroutine.
		result <- func() error {
			handle, err := netns.GetFromPath(namespaceOf(h.Ref().PID))
			if err != nil {
				return err
			}
			defer handle.Close()
			if err := netns.Set(handle); err != nil {
				return err
			}
			return do()
		}()
	}()
	return <-result
}

// namespaceOf is the file of a process's network namespace.
func namespaceOf(pid int) string { return "/proc/" + strconv.Itoa(pid) + "/ns/net" }

// run runs a command in the namespace and returns what it prints.
func (h *host) run(input, name string, args ...string) string {
	h.t.Helper()
	var out string
	h.inside(func() error {
		var err error
		out, err = command(input, name, args...)
		return err
	})
	return out
}

func command(input, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	var out, trouble bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &trouble
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s%s", cmd, err, &trouble, &out)
	}
	return out.String(), nil
}

// load makes the rules in a file below testdata, by its ending: nft, or iptables for both
// families.
func (h *host) load(file string) {
	h.t.Helper()
	rules, err := os.ReadFile("testdata/" + file)
	if err != nil {
		h.t.Fatal(err)
	}
	switch {
	case strings.HasSuffix(file, ".nft"):
		h.run(string(rules), "nft", "-f", "-")
	case strings.HasSuffix(file, ".iptables"):
		h.run(string(rules), "iptables-nft-restore")
	case strings.HasSuffix(file, ".ip6tables"):
		h.run(string(rules), "ip6tables-nft-restore")
	default:
		h.t.Fatalf("%s: of no known kind", file)
	}
}

// forwards reads the forwards, all of which must be readable.
func (h *host) forwards() netfilter.Table {
	h.t.Helper()
	table, err := h.reader.Forwards(h.t.Context(), h.Host)
	if err != nil {
		h.t.Fatal(err)
	}
	if len(table.Unread) > 0 {
		h.t.Errorf("not everything was read: %q", table.Unread)
	}
	return table
}
