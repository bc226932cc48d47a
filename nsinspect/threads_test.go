// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

// judgedKinds are one kind of a thread, one of a process, and another of a thread.
var judgedKinds = []Kind{Net, PID, IPC}

func in(net, pid, ipc string) map[string]string {
	return map[string]string{"net": net, "pid": pid, "ipc": ipc}
}

func TestSurvey(t *testing.T) {
	// dead is what the kernel still shows of a thread that ended: it has left its
	// network and IPC namespaces.
	dead := map[string]string{"pid": "p"}
	type group struct {
		ns      map[string]string
		threads int
		tids    []int
	}
	tests := map[string]struct {
		process fakeproc.Process
		want    Survey // Without the groups.
		groups  []group
	}{
		"one thread": {
			process: fakeproc.Process{NS: in("n", "p", "i")},
			want:    Survey{Threads: 1},
			groups:  []group{{ns: in("n", "p", "i"), threads: 1}},
		},
		"all threads together": {
			process: fakeproc.Process{NS: in("n", "p", "i"), Others: []fakeproc.Thread{{TID: 6, NS: in("n", "p", "i")}, {TID: 7, NS: in("n", "p", "i")}}},
			want:    Survey{Threads: 3},
			groups:  []group{{ns: in("n", "p", "i"), threads: 3}},
		},
		"one thread elsewhere": {
			process: fakeproc.Process{NS: in("n", "p", "i"), Others: []fakeproc.Thread{{TID: 6, NS: in("other", "p", "i")}}},
			want:    Survey{Threads: 2},
			groups:  []group{{in("n", "p", "i"), 1, []int{5}}, {in("other", "p", "i"), 1, []int{6}}},
		},
		"the leader ended": {
			process: fakeproc.Process{Stat: fakeproc.ZombieStat, NS: dead, Others: []fakeproc.Thread{{TID: 6, NS: in("n", "p", "i")}}},
			want:    Survey{Threads: 1},
			groups:  []group{{ns: in("n", "p", "i"), threads: 1}},
		},
		"a zombie": {
			process: fakeproc.Process{Stat: fakeproc.ZombieStat, NS: dead},
			want:    Survey{Ended: true},
		},
		"all threads ended": {
			process: fakeproc.Process{Stat: fakeproc.ZombieStat, NS: dead, Others: []fakeproc.Thread{{TID: 6, Stat: fakeproc.ZombieStat, NS: dead}}},
			want:    Survey{Ended: true},
		},
		"one thread is denied": {
			process: fakeproc.Process{NS: in("n", "p", "i"), Others: []fakeproc.Thread{{TID: 6, NS: in("forbidden/n", "p", "i")}}},
			want:    Survey{Threads: 1, Denied: 1},
			groups:  []group{{in("n", "p", "i"), 1, []int{5}}}, // Not all: so it is named.
		},
		"the process is denied": {
			process: fakeproc.Process{NS: in("n", "forbidden/p", "i"), Others: []fakeproc.Thread{{TID: 6, NS: in("n", "forbidden/p", "i")}}},
			want:    Survey{Denied: 2},
		},
		"the only thread is denied": {
			process: fakeproc.Process{NS: in("n", "forbidden/p", "i")},
			want:    Survey{Denied: 1},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake := fakeproc.New(t)
			test.process.PID = 5
			fake.Add(test.process)
			process := openProcess(t, fake, 5)
			var got Survey
			var err error
			fake.WithoutRights(func() { got, err = process.Survey(t.Context(), judgedKinds) })
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range test.groups {
				test.want.Groups = append(test.want.Groups, ThreadGroup{fakeNamespaces(t, fake, g.ns), g.threads, g.tids})
			}
			byTID(got.Groups)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A process with many threads in many places: the survey stays small, and reports that it was
// cut.
func TestSurveyIsCapped(t *testing.T) {
	var survey Survey
	all := groups{survey: &survey}
	nothing := func(Namespaces) Namespaces { return Namespaces{} }
	const many = 3 * maxTIDs
	for tid := range many {
		all.add(Namespaces{}, tid, nothing)
	}
	if group := survey.Groups[0]; group.Threads != many || len(group.TIDs) != maxTIDs {
		t.Errorf("%d threads, of which %d are named", group.Threads, len(group.TIDs))
	}
	for i := range maxGroups {
		if survey.Truncated {
			t.Errorf("truncated with %d groups", len(survey.Groups))
		}
		var seen Namespaces
		seen.Set(Net, ID{Ino: uint64(i) + 1})
		all.add(seen, i, nothing)
	}
	if !survey.Truncated || len(survey.Groups) != maxGroups {
		t.Errorf("%d groups, truncated: %t", len(survey.Groups), survey.Truncated)
	}
	// Those that are known go on counting.
	all.add(Namespaces{}, 0, nothing)
	if got := survey.Groups[0].Threads; got != many+1 {
		t.Errorf("%d threads in a group that was there, want %d", got, many+1)
	}
}

// TestHostBeyondTheCap has a process with more groups than are kept, the threads of which are in a
// namespace of the host.
func TestHostBeyondTheCap(t *testing.T) {
	fake := fakeproc.New(t)
	process := fakeproc.Process{PID: 5, NS: in("host", "p", "i")}
	for i := range maxGroups + 2 {
		process.Others = append(process.Others, fakeproc.Thread{TID: 10_000 + i, NS: in("host", "p", fmt.Sprint(i))})
	}
	fake.Add(process)
	fake.Add(fakeproc.Process{PID: 1, NS: in("host", "hostpid", "hostipc")})
	network, err := openProcess(t, fake, 1).Namespace(Net)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := openProcess(t, fake, 5).Namespace(PID)
	if err != nil {
		t.Fatal(err)
	}
	var host, kept Namespaces
	host.Set(Net, network)
	kept.Set(Net, network)
	kept.Set(PID, pid)
	for name, plan := range map[string]*Plan{"with the host's": {Kinds: judgedKinds, Host: &host}, "without": {Kinds: judgedKinds}} {
		survey, err := openProcess(t, fake, 5).SurveyBy(t.Context(), plan)
		if err != nil || !survey.Truncated {
			t.Fatalf("%s: truncated: %t, %v", name, survey.Truncated, err)
		}
		got := survey.Groups[maxGroups:]
		if plan.Host == nil && len(got) > 0 || plan.Host != nil && (len(got) != 1 || got[0].Namespaces != kept || got[0].Threads != 3) {
			t.Errorf("%s: groups beyond the cap %+v", name, got)
		}
	}
}

// TestThreadLimit has a process with more threads than are read: always the leader and those that are
// named first, and of the others each at some time.
func TestThreadLimit(t *testing.T) {
	fake := fakeproc.New(t)
	process := fakeproc.Process{PID: 5, NS: in("n", "p", "5")}
	const others = 20
	for tid := 10; tid < 10+others; tid++ {
		process.Others = append(process.Others, fakeproc.Thread{TID: tid, NS: in("n", "p", fmt.Sprint(tid))})
	}
	fake.Add(process)
	seen := make(map[int]bool)
	for range 1000 {
		limit := &ThreadLimit{Max: 4, First: func() []int { return []int{15, 5} }}
		survey, err := openProcess(t, fake, 5).SurveyBy(t.Context(), &Plan{Kinds: judgedKinds, Threads: limit})
		if err != nil || survey.Threads != limit.Max || survey.Skipped != others+1-limit.Max {
			t.Fatalf("survey %+v, %v", survey, err)
		}
		var tids []int
		for _, group := range survey.Groups {
			tids = append(tids, group.TIDs...)
		}
		if !slices.Contains(tids, 5) || !slices.Contains(tids, 15) {
			t.Fatalf("threads %v", tids)
		}
		for _, tid := range tids {
			seen[tid] = true
		}
	}
	if len(seen) != others+1 {
		t.Errorf("%d threads were seen in 1,000 surveys", len(seen))
	}
	survey, err := openProcess(t, fake, 5).SurveyBy(t.Context(), &Plan{Kinds: judgedKinds, Threads: &ThreadLimit{Max: others + 1}})
	if err != nil || survey.Threads != others+1 || survey.Skipped != 0 {
		t.Errorf("within the limit: survey %+v, %v", survey, err)
	}
}

func TestSurveyErrors(t *testing.T) {
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5, NS: in("n", "p", "i"), Others: []fakeproc.Thread{{TID: 6, NS: in("n", "p", "i")}}})
	process := openProcess(t, fake, 5)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := process.Survey(ctx, judgedKinds); !errors.Is(err, context.Canceled) {
		t.Errorf("Survey = %+v, %v, want %v", got, err, context.Canceled)
	}
	fake.Remove("proc/5")
	if got, err := process.Survey(t.Context(), judgedKinds); !errors.Is(err, ErrVanished) {
		t.Errorf("Survey = %+v, %v, want %v", got, err, ErrVanished)
	}
}
