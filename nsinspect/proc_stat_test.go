// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

func TestParseStat(t *testing.T) {
	// As Linux 6.18 shows them, cut after the time of the start but for the first.
	tests := map[string]struct {
		text string
		want procStat
		bad  bool
	}{
		"a process": {
			text: "4242 (bash) S 4200 4242 4242 34816 4300 4194560 1043 9521 0 1 0 0 3 5 20 0 1 0 913 7790592 1034 18446744073709551615 1 1 0 0 0 0 65536 3686404 1266761467 1 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
			want: procStat{state: 'S', ppid: 4200, flags: 4194560, start: 913},
		},
		"kthreadd":                   {text: "2 (kthreadd) S 0 0 0 0 -1 2129984" + fakeproc.StatRest, want: procStat{state: 'S', flags: 2129984, start: 100}},
		"a zombie":                   {text: "9 (sh) Z 1 9 9 0 -1 4194316" + fakeproc.StatRest, want: procStat{state: 'Z', ppid: 1, flags: 4194316, start: 100}},
		"a command of parentheses":   {text: "9 (a) S 0 0) R) S 1 9 9 0 -1 4194304" + fakeproc.StatRest, want: procStat{state: 'S', ppid: 1, flags: 4194304, start: 100}},
		"a command with line breaks": {text: "9 (a\n) Z\n) S 1 9 9 0 -1 4194304" + fakeproc.StatRest, want: procStat{state: 'S', ppid: 1, flags: 4194304, start: 100}},
		"an empty command":           {text: "9 () S 1 9 9 0 -1 4194304" + fakeproc.StatRest, want: procStat{state: 'S', ppid: 1, flags: 4194304, start: 100}},
		"no text":                    {text: "", bad: true},
		"no command":                 {text: "9 bash S 1 9 9 0 -1 4194304" + fakeproc.StatRest, bad: true},
		"cut off in the command":     {text: "9 (bash", bad: true},
		"cut off behind the command": {text: "9 (bash)", bad: true},
		"cut off before the flags":   {text: "9 (bash) S 1 9 9 0 -1", bad: true},
		"a state of two letters":     {text: "9 (bash) SS 1 9 9 0 -1 4194304" + fakeproc.StatRest, bad: true},
		"a parent that is no number": {text: "9 (bash) S x 9 9 0 -1 4194304" + fakeproc.StatRest, bad: true},
		"flags that are no number":   {text: "9 (bash) S 1 9 9 0 -1 -4194304" + fakeproc.StatRest, bad: true},
		"cut off before the start":   {text: "9 (bash) S 1 9 9 0 -1 4194304" + fakeproc.StatRest[:len(fakeproc.StatRest)-len(" 100")], bad: true},
		"a start that is no number":  {text: "9 (bash) S 1 9 9 0 -1 4194304" + fakeproc.StatRest + "x", bad: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			stat, ok := parseStat([]byte(test.text))
			if ok == test.bad {
				t.Fatalf("parseStat = %+v, %t", stat, ok)
			}
			if diff := cmp.Diff(test.want, stat, cmp.AllowUnexported(procStat{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A command can hold anything but a 0 byte; whatever it is, what follows it must count.
func FuzzParseStat(f *testing.F) {
	for _, command := range []string{"bash", "", ") S 0 0 0 0 0 2", "a) Z", "((", "))", "\n) X 0 0"} {
		f.Add([]byte("7 ("+command+") R 1 7 7 0 -1 4194304"+fakeproc.StatRest), command)
	}
	f.Fuzz(func(t *testing.T, text []byte, command string) {
		if stat, ok := parseStat(text); ok && stat.isKthreadd() && !strings.Contains(string(text), "0") {
			t.Errorf("%q made kthreadd without a parent 0", text)
		}
		const ppid, flags = 4711, 4194304
		line := "7 (" + command + ") R " + strconv.Itoa(ppid) + " 7 7 0 -1 " + strconv.Itoa(flags) + fakeproc.StatRest + "\n"
		want := procStat{state: 'R', ppid: ppid, flags: flags, start: 100}
		if stat, ok := parseStat([]byte(line)); !ok || stat != want {
			t.Errorf("parseStat(%q) = %+v, %t", line, stat, ok)
		}
	})
}
