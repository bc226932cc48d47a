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

	"github.com/nsaudit/nsaudit/integration/vm/internal/wire"
)

// pipeGrace is how long a shim that outlives the test binary may hold its
// output open before the guest stops reading.
const pipeGrace = 3 * time.Second

// run runs the test binary, tells the host all about it and switches the VM
// off. An error on the way is told to the host too, as the exit.
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
	if err := report.send(wire.Message{Facts: facts}); err != nil {
		return err
	}
	if err := report.send(wire.Message{Exit: runTests(report)}); err != nil {
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
		if err != nil || string(content) != wire.PortName+"\n" {
			continue
		}
		port, err := os.OpenFile("/dev/"+filepath.Base(filepath.Dir(name)), os.O_WRONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("open virtio port: %w", err)
		}
		return port, nil
	}
	return nil, fmt.Errorf("no virtio port named %s among %q", wire.PortName, names)
}

func runTests(report *reporter) *wire.Exit {
	plan, err := readPlan(filepath.Join(wire.PayloadDir, wire.PlanFile))
	if err != nil {
		return &wire.Exit{Code: -1, Error: err.Error()}
	}
	lines := &lineWriter{emit: report.line}
	test := exec.Command(filepath.Join(wire.PayloadDir, wire.TestBinary), plan.Args...)
	test.Dir = wire.PayloadDir
	test.Env = append(os.Environ(), plan.Env...)
	test.Stdout, test.Stderr = lines, lines
	test.WaitDelay = pipeGrace
	err = test.Run()
	lines.flush()
	return exitOf(test, err)
}

// exitOf translates what exec says. A delayed pipe alone is no failure, and an
// exit code speaks for itself.
func exitOf(test *exec.Cmd, err error) *wire.Exit {
	if test.ProcessState == nil {
		return &wire.Exit{Code: -1, Error: fmt.Sprintf("start the tests: %v", err)}
	}
	exit := &wire.Exit{Code: test.ProcessState.ExitCode()}
	if exit.Code <= 0 && err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		exit.Error = err.Error() // killed by a signal, or its output was lost
	}
	return exit
}

func readPlan(path string) (wire.Plan, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return wire.Plan{}, fmt.Errorf("read plan: %w", err)
	}
	var plan wire.Plan
	if err := json.Unmarshal(content, &plan); err != nil {
		return wire.Plan{}, fmt.Errorf("parse plan: %w", err)
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
