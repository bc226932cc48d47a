// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/reexec"
)

// roleMachine is process 1 of the attackers' machine.
const roleMachine = "attacks-machine"

// insideEnv is set on the attackers' machine.
const insideEnv = "NSAUDIT_ATTACKS_INSIDE"

// hostAddress is the address of the machine, in a block for documentation.
const hostAddress = "192.0.2.1"

func machineRoles() reexec.Roles { return reexec.Roles{roleMachine: beMachine} }

// onOwnMachine runs the tests on a machine of their own: with a process 1, a network and mounts that nobody else has.
// Attackers who write rules for all ports then reach nothing else, and nsaudit sees nobody else's containers. A machine
// whose systemd makes the cgroups is left as it is: systemd would not know process ids of another namespace.
func onOwnMachine(run func() int) int {
	if os.Getenv(insideEnv) != "" || os.Geteuid() != 0 || os.Getenv("NSAUDIT_SYSTEMD_CGROUP") == "1" {
		return run()
	}
	cmd := reexec.Command(roleMachine, os.Args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	return exitCode(cmd.Run())
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	fmt.Fprintf(os.Stderr, "attacks: %v\n", err)
	return 1
}

// beMachine sets the machine up, runs the tests as a child and buries whoever loses its parent.
func beMachine(args []string) error {
	if err := furnish(); err != nil {
		return err
	}
	cmd := exec.Command(reexec.Binary, args[1:]...)
	cmd.Args[0] = args[0]
	cmd.Env = append(reexec.Environ(""), insideEnv+"=1", "TMPDIR="+temporary)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGQUIT)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case pid == cmd.Process.Pid && status.Exited():
			os.Exit(status.ExitStatus())
		case pid == cmd.Process.Pid:
			return fmt.Errorf("the tests: %v", status.Signal())
		case err != nil && !errors.Is(err, unix.EINTR):
			return err
		}
	}
}

// temporary is empty on the new machine. Its name is short, as those of sockets have to be.
const temporary = "/run/t"

func furnish() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	for target, kind := range map[string]string{"/proc": "proc", "/run": "tmpfs"} {
		if err := unix.Mount(kind, target, kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", target, err)
		}
	}
	if err := os.MkdirAll(temporary, 0o711); err != nil {
		return err
	}
	return network()
}

// network makes the machine's network: the loopback interface, and one with an address.
func network() error {
	for _, args := range []string{
		"link set lo up", "link add eth0 type veth peer name wire", "link set wire up", "link set eth0 up",
		"address add " + hostAddress + "/24 dev eth0",
	} {
		if output, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, output)
		}
	}
	return nil
}
