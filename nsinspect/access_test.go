// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

// The kernel says the same in another way.
func TestCanPtrace(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(DefaultRoot, "thread-self", "status"))
	if err != nil {
		t.Fatal(err)
	}
	effective := uint64(0)
	for line := range strings.Lines(string(text)) {
		if set, ok := strings.CutPrefix(line, "CapEff:"); ok {
			if effective, err = strconv.ParseUint(strings.TrimSpace(set), 16, 64); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := effective>>unix.CAP_SYS_PTRACE&1 == 1
	if got, err := CanPtrace(); got != want || err != nil {
		t.Errorf("CanPtrace() = %t, %v; the kernel shows %x", got, err, effective)
	}
}

// A mount with the option is part of the integration tests.
func TestHidesProcessesIsNotForOtherFileSystems(t *testing.T) {
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 1})
	if option, err := openFake(t, fake).HidesProcesses(); option != "" || err != nil {
		t.Errorf("HidesProcesses() = %q, %v of a directory", option, err)
	}
}

func TestHidepidOf(t *testing.T) {
	for options, want := range map[string]string{
		"rw":                      "",
		"rw,hidepid=invisible":    "invisible",
		"rw,hidepid=2,gid=5":      "2",
		"rw,hidepid=0":            "",
		"rw,gid=5,hidepid=off":    "",
		"rw,xhidepid=2":           "",
		"rw,hidepid=ptraceable,x": "ptraceable",
		"":                        "",
	} {
		if got := hidepidOf(options); got != want {
			t.Errorf("hidepidOf(%q) = %q, want %q", options, got, want)
		}
	}
}
