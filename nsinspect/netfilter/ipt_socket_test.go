// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/internal/fakehost"
	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

// legacyHost is a fake host with a list of tables, or without where it is nil, in a network
// namespace that cannot be entered.
func legacyHost(t *testing.T, names *string, hidden bool) (*fakeproc.Proc, *nsinspect.Host) {
	t.Helper()
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5, NS: fakeproc.AllKinds("host")})
	fake.Write("proc/5/net/dev", "")
	file := "proc/5/net/ip_tables_names"
	if hidden {
		fake.Link("../../../forbidden/names", file)
		file = "forbidden/names"
	}
	if names != nil {
		fake.Write(file, *names)
	}
	return fake, fakehost.Open(t, fake)
}

// The kernel is asked for a table only if the host's network has it.
func TestLegacyNames(t *testing.T) {
	names := func(text string) *string { return &text }
	tests := map[string]struct {
		names  *string
		hidden bool
		ended  bool
		want   error
		text   string
	}{
		"a kernel without it":  {want: errNoTable},
		"unused":               {names: names(""), want: errNoTable},
		"other tables":         {names: names("filter\nmangle\n"), want: errNoTable},
		"names that hold it":   {names: names("nat2\nmynat\n"), want: errNoTable},
		"a table":              {names: names("filter\nnat\nraw\n"), want: unix.EINVAL, text: "open a socket in the host's network namespace"},
		"the last one":         {names: names("nat"), want: unix.EINVAL, text: "open a socket in the host's network namespace"},
		"a list of any length": {names: names(strings.Repeat("x\n", maxNamesBytes)), want: nsinspect.ErrTooLarge},
		"denied":               {names: names("nat\n"), hidden: true, want: nsinspect.ErrDenied, text: "permission denied"},
		"a host that ended":    {names: names("nat\n"), ended: true, want: nsinspect.ErrVanished},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake, host := legacyHost(t, test.names, test.hidden)
			if test.ended {
				fake.Remove("proc/5")
			}
			family := legacyFamilies()[0]
			var err error
			// Not through askLegacy: the rights that are given up are a thread's.
			look := func() { _, err = readLegacy(host, &family) }
			if test.hidden {
				fake.WithoutRights(look)
			} else {
				look()
			}
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("readLegacy = %v, want %v and %q", err, test.want, test.text)
			}
		})
	}
}

// A process that has moved elsewhere is not the host.
func TestLegacyOfAnother(t *testing.T) {
	names := "nat\n"
	fake, host := legacyHost(t, &names, false)
	fake.Write("namespaces/pod", "")
	fake.Remove("proc/5/ns/net")
	fake.Link("../../../namespaces/pod", "proc/5/ns/net")
	family := legacyFamilies()[0]
	if _, err := readLegacy(host, &family); !errors.Is(err, nsinspect.ErrVanished) {
		t.Errorf("readLegacy = %v, want %v", err, nsinspect.ErrVanished)
	}
}

// The kernel may never answer. Nobody waits for that longer than the time is, nothing is asked
// twice meanwhile, and the other family is.
func TestLegacyHangs(t *testing.T) {
	fake, host := legacyHost(t, nil, false)
	file := fake.Path("proc/5/net/ip_tables_names")
	if err := unix.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	reader := NewReader(Names{})
	families := legacyFamilies()
	ask := func(number int, limit time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		_, err := reader.askLegacy(ctx, host, &families[number])
		return err
	}
	for range 3 {
		if err := ask(0, 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("askLegacy = %v, want %v", err, context.DeadlineExceeded)
		}
	}
	if err := ask(1, time.Minute); !errors.Is(err, errNoTable) {
		t.Errorf("askLegacy of the other family = %v, want %v", err, errNoTable)
	}
	// It answers at last. One is waiting for that, and no more: the next waits for another.
	writer, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := ask(0, time.Minute); !errors.Is(err, errNoTable) {
		t.Errorf("askLegacy after the answer = %v, want %v", err, errNoTable)
	}
}
