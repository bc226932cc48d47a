// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// TestVisits has a process of a container that comes and goes, or a new one each time, and is elsewhere
// when the processes are read.
func TestVisits(t *testing.T) {
	t.Parallel()
	inFor := func(in, out time.Duration) func(*testing.T, *box) {
		return func(t *testing.T, b *box) {
			t.Helper()
			pid := initOf(0)
			own := b.link(t, pid, "ns/net", pid)
			for start := out; start < time.Second; start += in + out {
				time.AfterFunc(start, func() { b.link(t, pid, "ns/net", 1) })
				time.AfterFunc(start+in, func() { b.relink(t, pid, "ns/net", own) })
			}
		}
	}
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		visits  func(t *testing.T, b *box)
		capable bool
		count   uint64
	}{
		"180 of 395 ms":                        {inFor(180*ms, 215*ms), true, 1},
		"one of 60 ms, between two looks":      {inFor(60*ms, 290*ms), true, 1},
		"one that can't, and is not looked at": {inFor(180*ms, 215*ms), false, 0},
		"another process each time":            {hop, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, 2)
			b.containers[0].Declared = inventory.Declaration{By: inventory.BySpec}
			b.addRuntime(t)
			for _, pid := range []int{initOf(0), initOf(0) + 16} {
				leaveNetwork(t, b.fs, pid)
				scantest.Run(t, b.fs, pid, shimPID, time.Hour, "sh", b.program("runc"))
				credentials := scantest.User(uid)
				if test.capable {
					credentials.Permitted |= capSysAdmin
					b.containers[0].Security.Spec.Bounding |= capSysAdmin
				}
				scantest.Become(t, b.fs, pid, credentials)
			}
			snap := b.scan(t, Lean, func() { test.visits(t, b) })
			container := &snap.Containers[0]
			var count uint64
			if sighting := container.SightingOf(nsinspect.Net); sighting != nil {
				count = sighting.Count
			}
			if count != test.count || len(container.Unread.Gaps) > 0 || snap.Coverage.Transient != 0 {
				t.Errorf("%d sightings, want %d: %+v; unread %+v", count, test.count, container.Sightings, container.Unread.Gaps)
			}
			past := false
			for _, finding := range audit.Judge(snap).Findings {
				if finding.Reason() == "UndeclaredHostNetwork" {
					past = finding.Evidence.(*audit.NamespaceEvidence).Past != nil
				}
			}
			if past != (test.count > 0) {
				t.Errorf("a finding of the past: %t", past)
			}
		})
	}
}

// hop has a process in the host's network that ends, and then another.
func hop(t *testing.T, b *box) {
	t.Helper()
	cgroup, err := os.ReadFile(filepath.Join(b.fs.Root(), fmt.Sprint(initOf(0)), "cgroup"))
	scantest.Must(t, err)
	for i := range 2 {
		pid := 50_000 + i
		dir := filepath.Join(b.fs.Root(), fmt.Sprint(pid))
		start := time.Duration(150+200*i) * time.Millisecond
		time.AfterFunc(start, func() {
			scantest.Must(t, os.CopyFS(dir, os.DirFS(filepath.Join(b.fs.Root(), "1"))))
			scantest.Must(t, os.WriteFile(dir+"/cgroup", cgroup, 0o600))
			scantest.Must(t, os.Rename(filepath.Join(dir, "task/1"), filepath.Join(dir, "task", fmt.Sprint(pid))))
			scantest.Run(t, b.fs, pid, initOf(0), 0, fmt.Sprintf("hop-%d", i), b.program("runc"))
		})
		time.AfterFunc(start+100*time.Millisecond, func() { scantest.Must(t, os.RemoveAll(dir)) })
	}
}

// TestMayEnter has containers of which processes may enter the host's namespaces, or not.
func TestMayEnter(t *testing.T) {
	t.Parallel()
	with := func(security *inventory.Security, permitted ...nsinspect.Capabilities) *snapshot.Container {
		container := new(snapshot.Container)
		container.Security = security
		for _, set := range permitted {
			container.Credentials = append(container.Credentials, snapshot.Credentials{Credentials: nsinspect.Credentials{Permitted: set}})
		}
		return container
	}
	capable, apart := scantest.Confined(uid), scantest.Confined(uid)
	capable.Spec.Bounding |= capSysAdmin
	apart.Spec.Host = nil
	for name, test := range map[string]struct {
		container *snapshot.Container
		want      bool
	}{
		"one thread may":                   {with(scantest.Confined(uid), 0, capSysAdmin), true},
		"none may":                         {with(capable, 0), false},
		"the spec allows it, nothing read": {with(capable), true},
		"the spec does not, nothing read":  {with(scantest.Confined(uid)), false},
		"in a user namespace of its own":   {with(apart, capSysAdmin), false},
		"nothing is known":                 {with(nil), false},
	} {
		if got := mayEnter(test.container); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestPause keeps the looks apart by less than a visit that must not be missed, and together by what is
// to last at least.
func TestPause(t *testing.T) {
	t.Parallel()
	var got []time.Duration
	for _, random := range []float64{0, 0.5, 1} {
		got = append(got, newPatrol(&inspector{}, nil, func() float64 { return random }).pause(DefaultSettle))
	}
	want := []time.Duration{DefaultSettle / looks, DefaultSettle / 2, DefaultSettle - DefaultSettle/looks}
	for i := range want {
		if diff := (got[i] - want[i]).Abs(); diff > time.Microsecond {
			t.Errorf("pauses %s, want %s", got, want)
		}
	}
}
