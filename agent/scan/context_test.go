// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"testing"

	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// TestExcess has processes with more groups than are read.
func TestExcess(t *testing.T) {
	t.Parallel()
	b := newBox(t, 40, 1)
	crowd := scantest.User(uid)
	for i := range 20_000 {
		crowd.Groups = append(crowd.Groups, uint32(1_000_000+i))
	}
	for k := range 20 {
		scantest.Become(t, b.fs, initOf(0)+16*k, crowd)
	}
	snap := b.scan(t, Lean, nil)
	hostile, quiet := &snap.Containers[0], &snap.Containers[1]
	read := 0
	for _, process := range hostile.Processes {
		read += len(process.Credentials)
	}
	if len(hostile.Processes) != 40 || read != 0 || len(security(hostile)) != maxExcess/(hugeStatus-usualStatus)+1 {
		t.Errorf("%d processes, credentials of %d, unread %q", len(hostile.Processes), read, security(hostile))
	}
	if len(hostile.Unread.Gaps) > 0 || len(quiet.Processes[0].Credentials) != 1 || security(quiet) != nil {
		t.Errorf("unread %q, and of the other %q", hostile.Unread.Gaps, security(quiet))
	}
}

// TestCapsOfSets has more credentials than are kept.
func TestCapsOfSets(t *testing.T) {
	t.Parallel()
	of := newContext(new(snapshot.Container))
	credentials := scantest.Root()
	for i := range maxSets + 1 {
		credentials.UIDs.Real = uint32(i)
		set, ok := of.set(&credentials, nil)
		if ok != (i < maxSets) || ok && set != i {
			t.Fatalf("set %d: %d, %t", i, set, ok)
		}
	}
	credentials.UIDs.Real = 7
	if set, ok := of.set(&credentials, nil); !ok || set != 7 {
		t.Errorf("one that is there: %d, %t", set, ok)
	}
	if len(security(of.container)) != 1 {
		t.Errorf("unread %q", security(of.container))
	}
	of = newContext(new(snapshot.Container))
	credentials.Groups = make([]uint32, maxGroupIDs/2)
	for i := range 3 {
		credentials.UIDs.Real = uint32(i)
		if _, ok := of.set(&credentials, nil); ok != (i < 2) {
			t.Errorf("groups of set %d are kept: %t", i, ok)
		}
	}
	credentials.Groups[0] = 1 // The reader's memory, which it uses again.
	if of.container.Credentials[0].Groups[0] != 0 {
		t.Error("the groups that are kept change with the reader's")
	}
}

// TestLabelsTellSetsApart has threads that differ in their label only.
func TestLabelsTellSetsApart(t *testing.T) {
	t.Parallel()
	of := newContext(new(snapshot.Container))
	credentials := scantest.Root()
	for i, label := range []*nsinspect.Label{nil, {Module: nsinspect.AppArmor, Name: "a"}, {Module: nsinspect.AppArmor, Name: "b"}} {
		for range 2 {
			if set, ok := of.set(&credentials, label); !ok || set != i {
				t.Errorf("label %v: %d, %t, want %d", label, set, ok, i)
			}
		}
	}
}
