// SPDX-License-Identifier: Apache-2.0

// Package command runs other programs for the commands that prepare machines and clusters.
package command

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

// shownLines is how much of a failed program's output its error carries.
const shownLines = 40

// Setting is how a program's working directory and environment differ from this process's.
type Setting struct {
	Dir string
	Env []string // on top of this process's environment
}

// Run runs a program to its end, in this process's working directory and environment.
func Run(ctx context.Context, name string, args ...string) (string, error) {
	return Setting{}.Run(ctx, name, args...)
}

// Run runs a program to its end and returns its standard output. If it fails, the error carries the last lines of its
// standard output and error.
func (s Setting) Run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), s.Env...)
	// mmdebstrap unmounts on SIGTERM what it has mounted; SIGKILL would not let it.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, LastLines(stdout.String()+stderr.String(), shownLines))
	}
	return stdout.String(), nil
}

// LastLines returns at most n lines from the end of text.
func LastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Program is a program and the Debian package that it comes in.
type Program struct{ Name, Package string }

// Need fails with the names of the Debian packages to install if any of the programs is missing.
func Need(programs ...Program) error {
	var missing, packages []string
	for _, p := range programs {
		if _, err := exec.LookPath(p.Name); err != nil {
			missing, packages = append(missing, p.Name), append(packages, p.Package)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("missing: %s; on Debian, run: apt-get install --no-install-recommends %s",
		strings.Join(missing, ", "), strings.Join(packages, " "))
}

// CompletePath adds the directories of runc, mkfs and depmod to PATH, for this process and what it starts. On Debian,
// "sudo env PATH=$PATH" leaves them out.
func CompletePath() error {
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return fmt.Errorf("complete PATH: %w", err)
	}
	return nil
}
