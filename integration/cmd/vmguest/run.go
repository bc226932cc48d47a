// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/vmwire"
)

// pipeGrace is how long a shim that outlives the test binary may hold its
// output open before the guest stops reading.
const pipeGrace = 3 * time.Second

// run runs the test binary, tells the host all about it and switches the VM
// off. An error on the way is reported to the host too, as the exit.
func run() error {
	port, err := openPort()
	if err != nil {
		return err
	}
	report := newReporter(port)
	facts, err := gatherFacts()
	if err != nil {
		return err
	}
	if err := report.send(vmwire.Message{Facts: facts}); err != nil {
		return err
	}
	if err := report.send(vmwire.Message{Exit: runTests(report)}); err != nil {
		return err
	}
	return powerOff()
}

// openPort opens the virtio-serial port by its name. There is no udev in the VM
// that would make /dev/virtio-ports.
func openPort() (*os.File, error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return nil, fmt.Errorf("list virtio ports: %w", err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil || string(content) != vmwire.PortName+"\n" {
			continue
		}
		port, err := os.OpenFile("/dev/"+filepath.Base(filepath.Dir(name)), os.O_WRONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("open virtio port: %w", err)
		}
		return port, nil
	}
	return nil, fmt.Errorf("no virtio port named %s among %q", vmwire.PortName, names)
}

func runTests(report *reporter) *vmwire.Exit {
	plan, err := readPlan(filepath.Join(vmwire.PayloadDir, vmwire.PlanFile))
	if err != nil {
		return &vmwire.Exit{Code: -1, Error: err.Error()}
	}
	lines := &lineWriter{emit: report.line}
	test := exec.Command(filepath.Join(vmwire.PayloadDir, vmwire.TestBinary), plan.Args...)
	test.Dir = vmwire.PayloadDir
	test.Env = append(os.Environ(), plan.Env...)
	test.Stdout, test.Stderr = lines, lines
	test.WaitDelay = pipeGrace
	err = test.Run()
	lines.flush()
	return exitOf(test, err)
}

// exitOf translates what exec says. A delayed pipe alone is no failure, and an
// exit code speaks for itself.
func exitOf(test *exec.Cmd, err error) *vmwire.Exit {
	if test.ProcessState == nil {
		return &vmwire.Exit{Code: -1, Error: fmt.Sprintf("start the tests: %v", err)}
	}
	exit := &vmwire.Exit{Code: test.ProcessState.ExitCode()}
	if exit.Code <= 0 && err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		exit.Error = err.Error() // killed by a signal, or its output was lost
	}
	return exit
}

func readPlan(path string) (vmwire.Plan, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return vmwire.Plan{}, fmt.Errorf("read plan: %w", err)
	}
	var plan vmwire.Plan
	if err := json.Unmarshal(content, &plan); err != nil {
		return vmwire.Plan{}, fmt.Errorf("parse plan: %w", err)
	}
	return plan, nil
}

// powerOff needs no orderly shutdown: the disks are snapshots.
func powerOff() error {
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		return fmt.Errorf("power off: %w", err)
	}
	return nil
}
