package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long an interrupted program gets to clean up after itself.
const stopGrace = 15 * time.Second

// completePath adds the directories of mkfs and depmod to PATH, for this process
// and what it starts. Who comes by "sudo env PATH=$PATH" lacks them on Debian.
func completePath() error {
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return fmt.Errorf("complete PATH: %w", err)
	}
	return nil
}

// checkPrograms fails with the names of the Debian packages to install.
func checkPrograms() error {
	needed := []struct{ program, debianPackage string }{
		{"apt-get", "apt"},
		{"depmod", "kmod"},
		{"dpkg-deb", "dpkg"},
		{"mkfs.ext4", "e2fsprogs"},
		{"mmdebstrap", "mmdebstrap"},
		{"qemu-system-x86_64", "qemu-system-x86"},
	}
	var missing []string
	for _, n := range needed {
		if _, err := exec.LookPath(n.program); err != nil {
			missing = append(missing, fmt.Sprintf("%s (Debian package %s)", n.program, n.debianPackage))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing programs: %s", strings.Join(missing, ", "))
	}
	if os.Geteuid() != 0 {
		return errors.New("must be run by root, who will own the files of the root file system")
	}
	return nil
}

// execute runs a program to its end and returns all that it printed; if it
// fails, the error carries the last lines of that.
func execute(ctx context.Context, name string, args ...string) (string, error) {
	return executeIn(ctx, "", nil, name, args...)
}

// executeIn is execute in another directory and with more in the environment.
func executeIn(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	// mmdebstrap unmounts on SIGTERM what it has mounted; SIGKILL would not let it.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	output, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, lastLines(string(output), 20))
	}
	return string(output), nil
}

// lastLines returns at most n lines from the end of text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
