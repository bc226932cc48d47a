package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long an interrupted program gets to clean up after itself.
const stopGrace = 20 * time.Second

// execute runs a program to its end and returns what it printed for others; if
// it fails, the error carries the last lines that it printed for people.
func execute(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	// mmdebstrap unmounts on SIGTERM what it has mounted; SIGKILL would not let it.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, lastLines(stdout.String()+stderr.String(), 40))
	}
	return stdout.String(), nil
}

// lastLines returns at most n lines from the end of text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// need fails with the name of the Debian package that a program comes in.
func need(program, debianPackage string) error {
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("%s is missing (Debian package %s); run: apt-get install --no-install-recommends %s",
			program, debianPackage, debianPackage)
	}
	return nil
}
