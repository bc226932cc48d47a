// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

// visitor notes what a survey reads of credentials.
type visitor struct {
	t *testing.T
	// affords is how many statuses it affords.
	affords int
	wants   func(tid int) bool
	// seen has a line for each visit, asked the threads that it was asked about.
	seen  []string
	asked []int
}

func (v *visitor) Affords() bool { return v.affords > 0 }

func (v *visitor) Wants(tid int, owner uint32) bool {
	if owner != uint32(os.Getuid()) {
		v.t.Errorf("thread %d is of user %d", tid, owner)
	}
	v.asked = append(v.asked, tid)
	return v.wants == nil || v.wants(tid)
}

func (v *visitor) Visit(reading *Reading) {
	v.affords--
	line := fmt.Sprint(reading.TID)
	switch {
	case reading.Err != nil:
		for name, err := range map[string]error{"denied": ErrDenied, "too large": ErrTooLarge, "malformed": ErrMalformed} {
			if errors.Is(reading.Err, err) {
				line += " " + name
			}
		}
	default:
		line += fmt.Sprintf(" uid %d, groups %v", reading.Credentials.UIDs.Effective, reading.Credentials.Groups)
	}
	if reading.Label != nil {
		line += " " + reading.Label.Name
	}
	v.seen = append(v.seen, line)
}

// credentialsText is the status of a process of a user with so many threads.
func credentialsText(uid uint32, state string, threads int, groups ...uint32) string {
	c := contained()
	c.UIDs, c.Groups = IDs{uid, uid, uid, uid}, groups
	text := statusText("sleep", &c)
	text = strings.Replace(text, "State:\tS (sleeping)", "State:\t"+state, 1)
	return strings.Replace(text, "Threads:\t1", fmt.Sprintf("Threads:\t%d", threads), 1)
}

// TestSurveyBy has processes of which credentials are read with the namespaces.
func TestSurveyBy(t *testing.T) {
	const running, zombie = "S (sleeping)", "Z (zombie)"
	ns, dead := in("n", "p", "i"), map[string]string{"pid": "p"}
	large := "State:\tS (sleeping)\nGroups:\t" + strings.Repeat("1000000 ", 8192)
	tests := map[string]struct {
		process fakeproc.Process
		affords int
		wants   func(tid int) bool
		labels  bool
		survey  Survey // Without the groups.
		seen    []string
		asked   []int
	}{
		"one thread, and no look at its list": {
			process: fakeproc.Process{NS: ns, Status: credentialsText(405, running, 1, 10), Others: []fakeproc.Thread{{TID: 6, NS: ns}}},
			survey:  Survey{Threads: 1}, seen: []string{"5 uid 405, groups [10]"},
		},
		"the groups of one thread are not those of another": {
			process: fakeproc.Process{NS: ns, Status: credentialsText(405, running, 3, 1, 2, 3), Others: []fakeproc.Thread{
				{TID: 6, NS: ns, Status: credentialsText(0, running, 3)}, {TID: 7, NS: ns, Status: credentialsText(1, running, 3, 4)},
			}},
			survey: Survey{Threads: 3}, asked: []int{6, 7},
			seen: []string{"5 uid 405, groups [1 2 3]", "6 uid 0, groups []", "7 uid 1, groups [4]"},
		},
		"a thread that is not wanted": {
			process: fakeproc.Process{NS: ns, Status: credentialsText(405, running, 3), Others: []fakeproc.Thread{
				{TID: 6, NS: ns, Status: credentialsText(0, running, 3)}, {TID: 7, NS: ns, Status: credentialsText(1, running, 3)},
			}},
			wants:  func(tid int) bool { return tid == 7 },
			survey: Survey{Threads: 3}, asked: []int{6, 7}, seen: []string{"5 uid 405, groups []", "7 uid 1, groups []"},
		},
		"a zombie shows its last credentials": {
			process: fakeproc.Process{NS: dead, Stat: fakeproc.ZombieStat, Status: credentialsText(0, zombie, 1)},
			survey:  Survey{Ended: true},
		},
		"the leader ended": {
			process: fakeproc.Process{NS: dead, Stat: fakeproc.ZombieStat, Status: credentialsText(0, zombie, 2), Others: []fakeproc.Thread{
				{TID: 6, NS: ns, Status: credentialsText(405, running, 2)},
			}},
			survey: Survey{Threads: 1}, asked: []int{6}, seen: []string{"6 uid 405, groups []"},
		},
		"a thread ends meanwhile": {
			process: fakeproc.Process{NS: ns, Status: credentialsText(405, running, 3), Others: []fakeproc.Thread{
				{TID: 6, NS: ns, Status: credentialsText(0, zombie, 3)}, {TID: 7, NS: dead, Stat: fakeproc.ZombieStat, Status: credentialsText(0, running, 3)},
			}},
			survey: Survey{Threads: 2}, asked: []int{6, 7}, seen: []string{"5 uid 405, groups []"},
		},
		"its namespaces are denied, its credentials are not": {
			process: fakeproc.Process{NS: in("n", "forbidden/p", "i"), Status: credentialsText(405, running, 2), Others: []fakeproc.Thread{
				{TID: 6, NS: in("n", "forbidden/p", "i"), Status: credentialsText(0, running, 2)},
			}},
			survey: Survey{Denied: 2}, asked: []int{6}, seen: []string{"5 uid 405, groups []", "6 uid 0, groups []"},
		},
		"its status is too large": {
			process: fakeproc.Process{NS: ns, Status: large, Others: []fakeproc.Thread{{TID: 6, NS: ns, Status: credentialsText(0, running, 2)}}},
			survey:  Survey{Threads: 2}, asked: []int{6}, seen: []string{"5 too large", "6 uid 0, groups []"},
		},
		"its status is of another form": {
			process: fakeproc.Process{NS: ns, Status: "Name:\tx\n"},
			survey:  Survey{Threads: 1}, seen: []string{"5 malformed"},
		},
		"no status is afforded": {
			process: fakeproc.Process{NS: ns, Status: credentialsText(405, running, 1), Others: []fakeproc.Thread{{TID: 6, NS: ns}}},
			affords: -1, survey: Survey{Threads: 2}, asked: []int{6},
		},
		"one status is afforded": {
			process: fakeproc.Process{NS: ns, Status: credentialsText(405, running, 2), Others: []fakeproc.Thread{{TID: 6, NS: ns, Status: credentialsText(0, running, 2)}}},
			affords: 1, survey: Survey{Threads: 2}, asked: []int{6}, seen: []string{"5 uid 405, groups []"},
		},
		"labels": {
			process: fakeproc.Process{NS: ns, Status: credentialsText(405, running, 2), Others: []fakeproc.Thread{{TID: 6, NS: ns, Status: credentialsText(405, running, 2)}}},
			labels:  true, survey: Survey{Threads: 2}, asked: []int{6}, seen: []string{"5 uid 405, groups [] of-leader", "6 uid 405, groups []"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake := fakeproc.New(t)
			test.process.PID = 5
			fake.Add(test.process)
			fake.Write("proc/5/attr/current", "of-leader (enforce)\n")
			v := &visitor{t: t, affords: 100 + test.affords, wants: test.wants}
			if test.affords != 0 {
				v.affords = max(0, test.affords)
			}
			process := openProcess(t, fake, 5)
			var got Survey
			var err error
			fake.WithoutRights(func() {
				got, err = process.SurveyBy(t.Context(), &Plan{Kinds: judgedKinds, Credentials: v, Labels: test.labels})
			})
			if err != nil {
				t.Fatal(err)
			}
			got.Groups = nil
			if diff := cmp.Diff(test.survey, got); diff != "" {
				t.Errorf("survey (-want +got):\n%s", diff)
			}
			slices.Sort(v.seen) // Of the threads, in the order of the file system.
			if diff := cmp.Diff(test.seen, v.seen); diff != "" {
				t.Errorf("visits (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.asked, sorted(v.asked)); diff != "" {
				t.Errorf("threads that were asked about (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSurveyByOfNobody has a process that is gone.
func TestSurveyByOfNobody(t *testing.T) {
	t.Parallel()
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5, NS: in("n", "p", "i"), Status: credentialsText(0, "S (sleeping)", 1)})
	process := openProcess(t, fake, 5)
	fake.Remove("proc/5")
	v := &visitor{t: t, affords: 1}
	if got, err := process.SurveyBy(t.Context(), &Plan{Kinds: judgedKinds, Credentials: v}); !errors.Is(err, ErrVanished) || v.seen != nil {
		t.Errorf("SurveyBy = %+v, %v, visits %q", got, err, v.seen)
	}
}
