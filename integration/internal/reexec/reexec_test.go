// SPDX-License-Identifier: Apache-2.0

package reexec

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) {
	Play(Roles{
		"print": func(args []string) error {
			fmt.Println(strings.Join(args, " "), syscall.Gettid() == os.Getpid())
			return nil
		},
		"fail": func([]string) error { return errors.New("no space") },
		"nest": func(args []string) error {
			cmd := Command(args[0], args[1:]...)
			cmd.Stdout = os.Stdout
			return cmd.Run()
		},
	})
	os.Exit(m.Run())
}

func TestPlay(t *testing.T) {
	for name, test := range map[string]struct {
		cmd            *exec.Cmd
		code           int
		stdout, stderr string
	}{
		"a role":               {cmd: Command("print", "one", "two"), stdout: "one two true\n"},
		"a role from a role":   {cmd: Command("nest", "print", "one"), stdout: "one true\n"},
		"a role that fails":    {cmd: Command("fail"), code: 1, stderr: "fail: no space\n"},
		"an unknown role":      {cmd: Command("dance"), code: 1, stderr: "dance: there is no such role\n"},
		"a role by file name":  {cmd: &exec.Cmd{Path: Binary, Args: []string{"/bin/fail"}, Env: Environ("")}, code: 1, stderr: "fail: no space\n"},
		"no role in the tests": {cmd: &exec.Cmd{Path: Binary, Args: []string{"x.test", "-test.list=^TestPlay$"}, Env: Environ("")}, stdout: "TestPlay\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			test.cmd.Stdout, test.cmd.Stderr = &stdout, &stderr
			var exit *exec.ExitError
			if err := test.cmd.Run(); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if code := test.cmd.ProcessState.ExitCode(); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			// With coverage on, a test binary prints more than this.
			if out, _, _ := strings.Cut(stdout.String(), "coverage:"); out != test.stdout || stderr.String() != test.stderr {
				t.Errorf("printed %q and %q; want %q and %q", out, stderr.String(), test.stdout, test.stderr)
			}
		})
	}
}
