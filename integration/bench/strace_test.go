// SPDX-License-Identifier: Apache-2.0

//go:build integration

package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// countSyscalls counts the system calls that each way makes for each of count items. Only those that take a path or a
// descriptor count: the others are of the Go runtime, and their number depends on how slow strace makes everything.
func countSyscalls(b *testing.B, results []result, count int, env ...string) error {
	b.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		return errors.New("system calls were not counted: strace is missing (Debian package strace)")
	}
	self, err := os.Executable() // Not /proc/self/exe, which is strace to itself.
	if err != nil {
		return err
	}
	nothing, err := strace(b, env, "nothing", self)
	if err != nil {
		return err
	}
	for i := range results {
		command, name, base := []string{self}, results[i].way.name, nothing
		if results[i].way.command != nil {
			command, base = results[i].way.command, 0 // The few dozen calls of its loader remain in it.
		}
		total, err := strace(b, env, name, command...)
		if err != nil {
			return err
		}
		if results[i].way.first {
			if base, err = strace(b, env, firstWay, self); err != nil {
				return err
			}
		}
		results[i].syscalls = float64(total-base) / float64(count)
	}
	return nil
}

// strace runs a command, which is the test binary or another program, and returns the total of its system calls.
func strace(b *testing.B, env []string, once string, command ...string) (int, error) {
	b.Helper()
	file := filepath.Join(b.TempDir(), "counts")
	options := []string{"-f", "-c", "-U", "calls,name", "-e", "trace=%file,%desc,%net", "-o", file}
	cmd := exec.Command("strace", append(options, command...)...)
	cmd.Env = append(append(os.Environ(), env...), onceEnv+"="+once)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%s under strace: %w: %s", once, err, stderr.Bytes())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 2 && fields[1] == "total" {
			return strconv.Atoi(fields[0])
		}
	}
	return 0, fmt.Errorf("strace gave no total of %s: %q", once, text)
}
