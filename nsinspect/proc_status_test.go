// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// statusText renders credentials as the kernel does, with the lines of a kernel that has those
// fields.
func statusText(command string, c *Credentials) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Name:\t%s\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t7\nNgid:\t0\nPid:\t7\nPPid:\t1\nTracerPid:\t0\n", command)
	for _, ids := range []struct {
		name string
		IDs
	}{{"Uid", c.UIDs}, {"Gid", c.GIDs}} {
		fmt.Fprintf(&b, "%s:\t%d\t%d\t%d\t%d\n", ids.name, ids.Real, ids.Effective, ids.Saved, ids.Filesystem)
	}
	b.WriteString("FDSize:\t64\nGroups:\t")
	for _, group := range c.Groups {
		fmt.Fprintf(&b, "%d ", group)
	}
	if len(c.Groups) == 0 {
		b.WriteByte(' ')
	}
	b.WriteString("\nNStgid:\t7\nThreads:\t1\nSigQ:\t1/96365\nSigCgt:\t0000000000000000\n")
	fmt.Fprintf(&b, "CapInh:\t%016x\nCapPrm:\t%016x\nCapEff:\t%016x\nCapBnd:\t%016x\n", uint64(c.Inheritable), uint64(c.Permitted), uint64(c.Effective), uint64(c.Bounding))
	if c.Known.Has(FieldAmbient) {
		fmt.Fprintf(&b, "CapAmb:\t%016x\n", uint64(c.Ambient))
	}
	if c.Known.Has(FieldNoNewPrivileges) {
		n := 0
		if c.NoNewPrivileges {
			n = 1
		}
		fmt.Fprintf(&b, "NoNewPrivs:\t%d\n", n)
	}
	if c.Known.Has(FieldSeccomp) {
		fmt.Fprintf(&b, "Seccomp:\t%d\n", c.Seccomp)
	}
	if c.Known.Has(FieldFilters) {
		fmt.Fprintf(&b, "Seccomp_filters:\t%d\n", c.Filters)
	}
	b.WriteString("Speculation_Store_Bypass:\tvulnerable\nCpus_allowed:\t3\nvoluntary_ctxt_switches:\t0\n")
	return b.String()
}

const everyField = FieldAmbient | FieldNoNewPrivileges | FieldSeccomp | FieldFilters

// contained are the credentials of a process in a container with defaults, by uid 405.
func contained() Credentials {
	return Credentials{
		UIDs: IDs{405, 405, 0, 405}, GIDs: IDs{100, 100, 100, 100}, Groups: []uint32{10, 100, 4294967294},
		Bounding: 0xa80425fb, Ambient: 1 << 10, NoNewPrivileges: true, Seccomp: SeccompFilter, Filters: 3, Known: everyField,
	}
}

// TestParseStatus has the status of kernels from 3.10 on, which lack the fields of younger ones:
// those are unknown.
func TestParseStatus(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		known   Fields
		command string
	}{
		"Linux 6.18":                       {everyField, "sleep"},
		"Linux 5.4":                        {FieldAmbient | FieldNoNewPrivileges | FieldSeccomp, "sleep"},
		"Linux 4.9":                        {FieldAmbient | FieldSeccomp, "sleep"},
		"Linux 3.10":                       {FieldSeccomp, "sleep"},
		"without seccomp":                  {FieldAmbient | FieldNoNewPrivileges, "sleep"},
		"a command that looks like a line": {everyField, `x\nUid:\t0\t0\t0\t0\nCapBnd:\tffffffffffffffff`},
		"a command with tabs and colons":   {everyField, "Uid:\t0\t0\t0\t0"},
		"no command":                       {everyField, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := contained()
			want.Known = test.known
			forget(&want)
			got, err := parsed([]byte(statusText(test.command, &want)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// parsed parses a status into memory that held another.
func parsed(text []byte) (Credentials, error) {
	var status procStatus
	if err := parseStatus([]byte(statusText("other", &Credentials{Groups: []uint32{1, 2, 3, 4, 5}})), &status); err != nil {
		return Credentials{}, err
	}
	err := parseStatus(text, &status)
	if len(status.Groups) == 0 {
		status.Groups = nil
	}
	return status.Credentials, err
}

// forget clears the fields that are not known.
func forget(c *Credentials) {
	if !c.Known.Has(FieldAmbient) {
		c.Ambient = 0
	}
	if !c.Known.Has(FieldNoNewPrivileges) {
		c.NoNewPrivileges = false
	}
	if !c.Known.Has(FieldSeccomp) {
		c.Seccomp = SeccompDisabled
	}
	if !c.Known.Has(FieldFilters) {
		c.Filters = 0
	}
}

// TestStatusCutAnywhere has the status of old and of young kernels, each of which ends at each of
// its bytes: what is cut off is unknown, and nothing of it is read as another value.
func TestStatusCutAnywhere(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]Fields{
		"Linux 6.18": everyField,
		"Linux 5.4":  FieldAmbient | FieldNoNewPrivileges | FieldSeccomp,
		"Linux 4.9":  FieldAmbient | FieldSeccomp,
		"Linux 3.10": FieldSeccomp,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := contained()
			whole.Known = known
			forget(&whole)
			text := statusText("sleep", &whole)
			for end := range len(text) {
				checkCut(t, text[:end], &whole)
			}
			if got, err := parsed([]byte(text)); err != nil || got.Known != known {
				t.Errorf("the whole text: %+v, %v", got, err)
			}
		})
	}
}

// checkCut checks that what is known of a status that was cut off is right.
func checkCut(t *testing.T, text string, whole *Credentials) {
	t.Helper()
	got, err := parsed([]byte(text))
	if err != nil {
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("cut at %d: %v", len(text), err)
		}
		return
	}
	if got.Known&^whole.Known != 0 {
		t.Errorf("cut at %d: knows %b", len(text), got.Known)
	}
	want := *whole
	want.Known = got.Known
	forget(&want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("cut at %d (-want +got):\n%s", len(text), diff)
	}
}

func TestParseStatusMalformed(t *testing.T) {
	t.Parallel()
	good := contained()
	text := statusText("sleep", &good)
	tests := map[string][2]string{
		"three user ids":              {"Uid:\t405\t405\t0\t405", "Uid:\t405\t405\t0"},
		"five group ids":              {"Gid:\t100\t100\t100\t100", "Gid:\t100\t100\t100\t100\t100"},
		"a user id that is negative":  {"Uid:\t405", "Uid:\t-1"},
		"a user id of 33 bits":        {"Uid:\t405", "Uid:\t4294967296"},
		"a group that is no number":   {"10 100", "10 x"},
		"a set with a digit too few":  {"CapBnd:\t0", "CapBnd:\t"},
		"a set that is no number":     {"CapBnd:\t0", "CapBnd:\tg"},
		"no bounding set":             {"CapBnd:", "CapXyz:"},
		"no user ids":                 {"Uid:", "Xid:"},
		"no groups":                   {"Groups:", "Grps:"},
		"another no_new_privs":        {"NoNewPrivs:\t1", "NoNewPrivs:\t2"},
		"no value of no_new_privs":    {"NoNewPrivs:\t1", "NoNewPrivs:"},
		"a seccomp mode that is new":  {"Seccomp:\t2", "Seccomp:\t3"},
		"filters that are no number":  {"Seccomp_filters:\t3", "Seccomp_filters:\t-3"},
		"capabilities before the ids": {"Name:\tsleep\n", "CapBnd:\t00000000a80425fb\n"},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(text, change[0]) {
				t.Fatalf("there is no %q to change", change[0])
			}
			got, err := parsed([]byte(strings.Replace(text, change[0], change[1], 1)))
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("parseStatus = %+v, %v", got, err)
			}
		})
	}
}

// Whatever a status says, it is read as it was written, or not at all.
func FuzzParseStatus(f *testing.F) {
	c := contained()
	f.Add([]byte(statusText("sleep", &c)), "sleep", uint32(405), uint32(0), uint64(0xa80425fb), uint8(everyField), true)
	f.Add([]byte("Uid:\t0\t0\t0\t0\nGid:\nGroups:\n"), "a:b", uint32(0), uint32(1), uint64(1)<<63, uint8(0), false)
	f.Fuzz(func(t *testing.T, text []byte, command string, uid, gid uint32, set uint64, known uint8, nnp bool) {
		if got, err := parsed(text); err == nil && got.Known&^everyField != 0 {
			t.Errorf("%q knows %b", text, got.Known)
		}
		if strings.ContainsRune(command, '\n') {
			return // The kernel escapes it.
		}
		want := Credentials{
			UIDs: IDs{uid, gid, uid, gid}, GIDs: IDs{gid, gid, uid, gid}, Groups: []uint32{uid, gid},
			Inheritable: Capabilities(set), Permitted: Capabilities(^set), Effective: Capabilities(set >> 1), Bounding: Capabilities(set << 1),
			Ambient: Capabilities(set), NoNewPrivileges: nnp, Seccomp: SeccompFilter, Filters: int(known), Known: Fields(known) & everyField,
		}
		forget(&want)
		got, err := parsed([]byte(statusText(command, &want)))
		if err != nil {
			t.Fatalf("%q: %v", command, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestCapabilityNames(t *testing.T) {
	t.Parallel()
	set := Capabilities(1<<0 | 1<<21 | 1<<40 | 1<<41 | 1<<63)
	want := []string{"CHOWN", "SYS_ADMIN", "CHECKPOINT_RESTORE", "CAP_41", "CAP_63"}
	if diff := cmp.Diff(want, set.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	var all []string
	for n := range len(capabilityNames) {
		one := Capabilities(1) << n
		all = append(all, one.Names()...)
		if got, ok := CapabilityNamed(one.Names()[0]); !ok || got != one {
			t.Errorf("CapabilityNamed(%q) = %x, %t", one.Names()[0], got, ok)
		}
	}
	if slices.Sort(all); len(slices.Compact(all)) != len(capabilityNames) {
		t.Error("two capabilities have the same name")
	}
	if _, ok := CapabilityNamed("CAP_SYS_ADMIN"); ok {
		t.Error("a name with CAP_ was accepted")
	}
}
