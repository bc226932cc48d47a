// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

func TestHost(t *testing.T) {
	host, other := fakeproc.AllKinds("host"), fakeproc.AllKinds("other")
	pid1 := HostCandidate{ByPID1, 1}
	kthreadd := HostCandidate{ByKthreadd, 2}
	daemon := HostCandidate{"daemon", 300}
	initProcess := fakeproc.Process{PID: 1, Comm: "systemd", Cgroup: "0::/init.scope\n", NS: host}
	kernel := fakeproc.Process{PID: 2, Comm: "kthreadd", Stat: fakeproc.KthreaddStat, Cgroup: "0::/\n", NS: host}
	containerd := fakeproc.Process{PID: 300, Comm: "containerd", Cgroup: "0::/system.slice/containerd.service\n", NS: other}
	protected := fakeproc.Process{PID: 1, Comm: "init", Cgroup: "0::/\n", NS: map[string]string{"net": "forbidden/net"}}

	tests := map[string]struct {
		processes  []fakeproc.Process
		containers func(*Process) ([]string, error)
		candidates []HostCandidate
		want       HostReference // Namespaces are those of the names in ns.
		ns         map[string]string
		wantErr    []string
	}{
		"the first that can be read": {
			processes:  []fakeproc.Process{initProcess, kernel, containerd},
			candidates: []HostCandidate{pid1, daemon, kthreadd},
			want:       HostReference{Reference: ByPID1, PID: 1},
			ns:         host,
		},
		"the user's choice, though it differs": {
			processes:  []fakeproc.Process{initProcess, containerd},
			candidates: []HostCandidate{{ByHostPID, 300}},
			want:       HostReference{Reference: ByHostPID, PID: 300},
			ns:         other,
		},
		"pid 1 is protected": {
			processes:  []fakeproc.Process{protected, kernel, containerd},
			candidates: []HostCandidate{pid1, daemon, kthreadd},
			want:       HostReference{Reference: "daemon", PID: 300},
			ns:         other,
		},
		"kthreadd is the last": {
			processes:  []fakeproc.Process{protected, kernel},
			candidates: []HostCandidate{pid1, daemon, kthreadd},
			want:       HostReference{Reference: ByKthreadd, PID: 2},
			ns:         host,
		},
		"a zombie is in no namespace": {
			processes:  []fakeproc.Process{{PID: 1, Stat: fakeproc.ZombieStat, Cgroup: "0::/\n", NS: map[string]string{"pid": "p", "user": "u"}}, kernel},
			candidates: []HostCandidate{pid1, kthreadd},
			want:       HostReference{Reference: ByKthreadd, PID: 2},
			ns:         host,
		},
		"in a kind node the host is a container": {
			processes:  []fakeproc.Process{initProcess},
			containers: func(*Process) ([]string, error) { return []string{"outer", "inner"}, nil },
			candidates: []HostCandidate{pid1},
			want:       HostReference{Reference: ByPID1, PID: 1, Containers: []string{"outer", "inner"}},
			ns:         host,
		},
		"none": {
			processes:  []fakeproc.Process{protected, {PID: 2, Comm: "sh", NS: host, Cgroup: "0::/\n"}},
			candidates: []HostCandidate{pid1, daemon, kthreadd},
			want:       HostReference{Reference: ByNone},
			wantErr:    []string{"pid1: ", "denied", "daemon: ", "vanished", "kthreadd: process 2 is not the kernel's kthreadd"},
		},
		"no candidate": {
			processes: []fakeproc.Process{initProcess},
			want:      HostReference{Reference: ByNone},
			wantErr:   []string{"there is no candidate"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake := fakeproc.New(t)
			for _, process := range test.processes {
				fake.Add(process)
			}
			test.want.Namespaces = fakeNamespaces(t, fake, test.ns)
			fs := openFake(t, fake)
			var got *Host
			var err error
			fake.WithoutRights(func() { got, err = fs.Host(test.containers, test.candidates...) })
			defer got.Close()
			if diff := cmp.Diff(test.want, got.Ref()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if (err != nil) != (test.wantErr != nil) {
				t.Fatalf("Host: %v", err)
			}
			for _, part := range test.wantErr {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the message does not say %q:\n%v", part, err)
				}
			}
		})
	}
}

// In another pid namespace any process can have the number 2, and call itself anything.
func TestOnlyKthreaddIsKthreadd(t *testing.T) {
	for name, test := range map[string]struct {
		comm, stat string
		wantErr    bool
	}{
		"the kernel's":               {"kthreadd", fakeproc.KthreaddStat, false},
		"the kernel's, renamed":      {"x", fakeproc.KthreaddStat, false},
		"a process of that name":     {"kthreadd", fakeproc.RunningStat, true},
		"a process without parent":   {"kthreadd", "S 0 1 1 0 -1 4194560" + fakeproc.StatRest, true},
		"another kernel thread":      {"kworker/0:0", "I 2 0 0 0 -1 69238880 0 0", true},
		"a name that forges a stat":  {") S 0 0 0 0 0 2129984 (", fakeproc.RunningStat, true},
		"a stat that is cut off":     {"kthreadd", "S 0 0", true},
		"a stat of unknown contents": {"kthreadd", "S 0 0 0 0 -1 x 0", true},
	} {
		t.Run(name, func(t *testing.T) {
			fake := fakeproc.New(t)
			fake.Add(fakeproc.Process{PID: 2, Comm: test.comm, Stat: test.stat, Cgroup: "0::/\n", NS: fakeproc.AllKinds("host")})
			got, err := openFake(t, fake).Host(nil, HostCandidate{ByKthreadd, 2})
			t.Cleanup(got.Close)
			if (err != nil) != test.wantErr {
				t.Errorf("Host = %+v, %v", got.Ref(), err)
			}
		})
	}
}

// The errors keep their outcome, so that a caller can tell a host that may not be looked
// at from one that is not there.
func TestHostErrors(t *testing.T) {
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 1, NS: map[string]string{"net": "forbidden/net"}, Cgroup: "0::/\n"})
	fake.Add(fakeproc.Process{PID: 3, NS: fakeproc.AllKinds("x"), Cgroup: "0::/\n"})
	fs := openFake(t, fake)
	fake.WithoutRights(func() {
		if _, err := fs.Host(nil, HostCandidate{ByPID1, 1}); !errors.Is(err, ErrDenied) || errors.Is(err, ErrVanished) {
			t.Errorf("Host of what is forbidden = %v, want %v", err, ErrDenied)
		}
	})
	if _, err := fs.Host(nil, HostCandidate{ByHostPID, 9}); !errors.Is(err, ErrVanished) {
		t.Errorf("Host without a process = %v, want %v", err, ErrVanished)
	}
	// Without its cgroups it is not known which containers the host itself is in.
	unreadable := errors.New("malformed")
	got, err := fs.Host(func(*Process) ([]string, error) { return nil, unreadable }, HostCandidate{ByHostPID, 3})
	if !errors.Is(err, unreadable) || got.Ref().Reference != ByNone {
		t.Errorf("Host = %+v, %v, want %v", got.Ref(), err, unreadable)
	}
}
