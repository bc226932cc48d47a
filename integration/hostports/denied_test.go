// SPDX-License-Identifier: Apache-2.0

//go:build integration

package hostports_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/integration/internal/reexec"
	"github.com/nsaudit/nsaudit/nsinspect"
)

func readWithoutNetAdmin() error {
	// Capabilities are a thread's. This process is in the namespace itself, so that no other
	// thread is needed.
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
	if err := unix.Capset(&header, &data[0]); err != nil {
		return err
	}
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		return err
	}
	defer fs.Close()
	host, err := fs.Host(nil, nsinspect.HostCandidate{Reference: nsinspect.ByHostPID, PID: os.Getpid()})
	if err != nil {
		return err
	}
	defer host.Close()
	table, err := scan.NewForwardReader().Forwards(context.Background(), host)
	if !errors.Is(err, nsinspect.ErrDenied) {
		return fmt.Errorf("Forwards = %+v, %w, want %w", table, err, nsinspect.ErrDenied)
	}
	fmt.Println(err)
	return nil
}

// Without the right to look nothing is clean, and the capability is named.
func TestWithoutNetAdmin(t *testing.T) {
	newHost(t) // For its complaint of a user that is not root.
	cmd := reexec.Command(withoutNetAdminRole)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text, readErr := bufio.NewReader(out).ReadString('\n')
	if err := errors.Join(readErr, cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "takes CAP_NET_ADMIN: denied") {
		t.Error(text)
	}
}
