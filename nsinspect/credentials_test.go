// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

// TestOwnCredentials compares what procfs shows of this process with what system calls answer.
func TestOwnCredentials(t *testing.T) {
	t.Parallel()
	process := ownProcess(t)
	for name, read := range map[string]func() (Credentials, error){
		"process": process.Credentials,
		"thread":  func() (Credentials, error) { return process.ThreadCredentials(os.Getpid()) },
	} {
		got, err := read()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checkOwn(t, name, &got)
	}
	if _, err := process.ThreadCredentials(1 << 22); !errors.Is(err, ErrVanished) {
		t.Errorf("a thread that is not there: %v, want %v", err, ErrVanished)
	}
}

func checkOwn(t *testing.T, name string, got *Credentials) {
	t.Helper()
	if ruid, euid, suid := unix.Getresuid(); got.UIDs.Real != uint32(ruid) || got.UIDs.Effective != uint32(euid) || got.UIDs.Saved != uint32(suid) {
		t.Errorf("%s: user ids %+v, and getresuid says %d %d %d", name, got.UIDs, ruid, euid, suid)
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(groups)
	if len(groups) != len(got.Groups) {
		t.Errorf("%s: groups %v, and getgroups says %v", name, got.Groups, groups)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	if effective := Capabilities(data[1].Effective)<<32 | Capabilities(data[0].Effective); got.Effective != effective {
		t.Errorf("%s: effective %x, and capget says %x", name, got.Effective, effective)
	}
	noNewPrivileges, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil || got.NoNewPrivileges != (noNewPrivileges == 1) {
		t.Errorf("%s: no_new_privs %t, and prctl says %d, %v", name, got.NoNewPrivileges, noNewPrivileges, err)
	}
	if !got.Known.Has(FieldAmbient | FieldNoNewPrivileges | FieldSeccomp) {
		t.Errorf("%s: knows %b", name, got.Known)
	}
}

// TestCredentialsOutcomes has the outcomes of a read that gives no value.
func TestCredentialsOutcomes(t *testing.T) {
	tests := map[string]struct {
		text string
		want error
	}{
		"ended between open and read":  {"", ErrVanished},
		"of another form":              {"Name:\tx\n", ErrMalformed},
		"many supplementary groups":    {"Name:\tx\nGroups:\t" + strings.Repeat("1000000 ", 8192) + "\n", ErrTooLarge},
		"a file that is not there":     {"-", ErrVanished},
		"the status of another reader": {"forbidden", ErrDenied},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake := fakeproc.New(t)
			fake.Add(fakeproc.Process{PID: 5})
			switch test.text {
			case "-":
			case "forbidden":
				fake.Write("forbidden/status", "x")
				fake.Link("../../forbidden/status", "proc/5/status")
			default:
				fake.Write("proc/5/status", test.text)
			}
			process := openProcess(t, fake, 5)
			fake.WithoutRights(func() {
				if got, err := process.Credentials(); !errors.Is(err, test.want) {
					t.Errorf("Credentials = %+v, %v, want %v", got, err, test.want)
				}
			})
		})
	}
}
