// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/internal/fakehost"
	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		text string
		want []Entry
	}{
		"v2": {
			text: "0::/system.slice/ssh.service\n",
			want: []Entry{{"0", "/system.slice/ssh.service"}},
		},
		"v1": {
			text: "3:name=systemd:/init.scope\n2:cpu,cpuacct:/\n1:pids:/a\n",
			want: []Entry{{"3", "/init.scope"}, {"2", "/"}, {"1", "/a"}},
		},
		"hybrid: v2 comes first, though the kernel shows it last": {
			text: "9:name=systemd:/a\n8:pids:/a\n0::/b\n",
			want: []Entry{{"0", "/b"}, {"9", "/a"}, {"8", "/a"}},
		},
		"a path with colons": {
			text: "4:devices:/system.slice:docker:abc\n0::/kubepods.slice:cri-containerd:x\n",
			want: []Entry{{"0", "/kubepods.slice:cri-containerd:x"}, {"4", "/system.slice:docker:abc"}},
		},
		"a cgroup that was removed": {
			text: "0::/system.slice/gone.service (deleted)\n",
			want: []Entry{{"0", "/system.slice/gone.service"}},
		},
		"outside of the reader's cgroup namespace": {
			text: "0::/../../kubepods/besteffort\n",
			want: []Entry{{"0", "/../../kubepods/besteffort"}},
		},
		"without a last line break": {
			text: "0::/",
			want: []Entry{{"0", "/"}},
		},
		"a path with spaces and control characters": {
			text: "0::/a b/\x1b[2J/é\n",
			want: []Entry{{"0", "/a b/\x1b[2J/é"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Parse([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Without entries no container can be recognised, so an empty text is no "host process".
func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", "\n", "0::", "0::relative\n", "0:/a\n", "0\n", "0::/a\n\n0::/b\n", "0::/a\n1:pids\n"} {
		if entries, err := Parse([]byte(text)); err == nil {
			t.Errorf("Parse(%q) = %v", text, entries)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("9:name=systemd:/a\n8:pids:/a\n0::/b (deleted)\n"))
	f.Add([]byte("0::/../../x:y:z"))
	f.Add([]byte("::/\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := Parse(text)
		if err != nil {
			return
		}
		if lines := strings.Count(strings.TrimSuffix(string(text), "\n"), "\n") + 1; lines != len(entries) {
			t.Errorf("%d entries of %d lines", len(entries), lines)
		}
		v1 := false
		for _, entry := range entries {
			if !strings.HasPrefix(entry.Path, "/") || strings.Contains(entry.Hierarchy, ":") {
				t.Errorf("entry %+v", entry)
			}
			if !entry.IsV2() {
				v1 = true
			} else if v1 {
				t.Errorf("v2 is not first in %v", entries)
			}
		}
	})
}

func TestCgroupsOfProcess(t *testing.T) {
	fake := fakeproc.New(t)
	long := "0::/" + strings.Repeat("x/", 2<<10) + "y\n"
	fake.Add(fakeproc.Process{PID: 5, Cgroup: long})
	fake.Add(fakeproc.Process{PID: 6, Cgroup: strings.Repeat("1:a:/"+strings.Repeat("x", 4000)+"\n", 20)})
	fake.Add(fakeproc.Process{PID: 7, Cgroup: "nonsense"})
	got, err := Read(fakehost.Process(t, fake, 5))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimSuffix(long[len("0::"):], "\n"); len(got) != 1 || got[0].Path != want {
		t.Errorf("a path of %d bytes was not read whole", len(want))
	}
	if _, err := Read(fakehost.Process(t, fake, 6)); !errors.Is(err, nsinspect.ErrTooLarge) {
		t.Errorf("Read = %v of a file larger than the cap, want %v", err, nsinspect.ErrTooLarge)
	}
	if _, err := Read(fakehost.Process(t, fake, 7)); err == nil || errors.Is(err, nsinspect.ErrVanished) {
		t.Errorf("Read = %v of a malformed file", err)
	}
}

// A leader that ended is shown at the root of each v1 hierarchy, whatever the container.
func TestLiveCgroups(t *testing.T) {
	const root, inside = "2:pids:/\n1:cpu:/\n0::/c\n", "2:pids:/c\n1:cpu:/c\n0::/c\n"
	at := func(path string) []Entry {
		return []Entry{{"0", "/c"}, {"2", path}, {"1", path}}
	}
	tests := map[string]struct {
		process fakeproc.Process
		want    []Entry
	}{
		"a living leader, in a cgroup": {
			process: fakeproc.Process{Cgroup: inside, Others: []fakeproc.Thread{{TID: 9, Cgroup: root}}},
			want:    at("/c"),
		},
		"a living leader, at the root": {
			process: fakeproc.Process{Cgroup: root, Others: []fakeproc.Thread{{TID: 9, Cgroup: inside}}},
			want:    at("/"),
		},
		"a dead leader, another thread lives": {
			process: fakeproc.Process{Stat: fakeproc.ZombieStat, Cgroup: root, Others: []fakeproc.Thread{
				{TID: 8, Stat: fakeproc.ZombieStat, Cgroup: root},
				{TID: 9, Cgroup: inside},
			}},
			want: at("/c"),
		},
		"a zombie": {
			process: fakeproc.Process{Stat: fakeproc.ZombieStat, Cgroup: root},
			want:    at("/"),
		},
		"all threads are dead": {
			process: fakeproc.Process{Stat: fakeproc.ZombieStat, Cgroup: root, Others: []fakeproc.Thread{{TID: 9, Stat: fakeproc.ZombieStat, Cgroup: root}}},
			want:    at("/"),
		},
		"a dead leader on v2 alone": {
			process: fakeproc.Process{Stat: fakeproc.ZombieStat, Cgroup: "0::/c\n", Others: []fakeproc.Thread{{TID: 9, Cgroup: "0::/d\n"}}},
			want:    []Entry{{"0", "/c"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake := fakeproc.New(t)
			test.process.PID = 5
			fake.Add(test.process)
			got, err := ReadLive(t.Context(), fakehost.Process(t, fake, 5))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
