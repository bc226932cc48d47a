// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// reasonsWanted returns the reasons of a selection, in alphabetical order.
func reasonsWanted(s *Selection) []string {
	var wanted []string
	for _, check := range checks() {
		for _, verdict := range check.Verdicts() {
			if reason := check.Name().Reason(verdict); s.selected(reason) {
				wanted = append(wanted, reason)
			}
		}
	}
	slices.Sort(wanted)
	return wanted
}

func without(all []string, some ...string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(reason string) bool { return slices.Contains(some, reason) })
}

func TestParseSelection(t *testing.T) {
	t.Parallel()
	var every []string
	for _, check := range checks() {
		for _, verdict := range check.Verdicts() {
			every = append(every, check.Name().Reason(verdict))
		}
	}
	slices.Sort(every)
	usual := without(every, "HostUsersShared", "RootFilesystemWritable")
	network := []string{"HostNetworkHeld", "HostNetworkNotInEffect", "HostNetworkShared", "UndeclaredHostNetwork"}
	tests := map[string]struct {
		words    string
		want     []string
		security bool
	}{
		"the default":                     {"default", usual, true},
		"everything":                      {"all", every, true},
		"a check":                         {"HostNetwork", network, false},
		"two checks":                      {"User,HostNetwork", slices.Sorted(slices.Values(append([]string{"UndeclaredUser"}, network...))), true},
		"a check with an optional reason": {"WritableRoot", []string{"RootFilesystemWritable", "UndeclaredWritableRoot"}, true},
		"a reason":                        {"RunsAsRoot", []string{"RunsAsRoot"}, true},
		"a name of both":                  {"ProcUnmasked", []string{"ProcUnmasked", "UndeclaredProcUnmasked"}, true},
		"the default and more":            {"default,RootFilesystemWritable", without(every, "HostUsersShared"), true},
		"the default without a check":     {"-RootUser", without(usual, "RunsAsRoot", "UndeclaredRootUser"), true},
		"the default without a reason":    {"-RunsAsRoot", without(usual, "RunsAsRoot"), true},
		"left out of what is named":       {"HostNetwork,-UndeclaredHostNetwork", network[:3], false},
		"left out, and in again":          {"-RootUser,RunsAsRoot", without(usual, "UndeclaredRootUser"), true},
		"named, and left out later":       {"all,-default", []string{"HostUsersShared", "RootFilesystemWritable"}, true},
		"spaces around words":             {" RunsAsRoot , UndeclaredUser ", []string{"RunsAsRoot", "UndeclaredUser"}, true},
		"a word twice":                    {"RunsAsRoot,RunsAsRoot", []string{"RunsAsRoot"}, true},
		"without the security context":    {"HostNetwork,HostIPC,-HostIPC", network, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := ParseSelection(strings.Split(test.words, ","))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, reasonsWanted(s)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got := s.NeedsSecurity(); got != test.security {
				t.Errorf("NeedsSecurity = %t", got)
			}
		})
	}
}

func TestParseSelectionRefuses(t *testing.T) {
	t.Parallel()
	const see = " is no check and no reason: see docs/checks.md, or use default or all"
	tests := map[string]struct {
		words []string
		want  string
	}{
		"no words":            {nil, "no check is left"},
		"an empty word":       {[]string{""}, `""` + see},
		"small letters":       {[]string{"hostnetwork"}, `"hostnetwork"` + see},
		"a mistake of two":    {[]string{"HostNetwork", "Rootuser"}, `"Rootuser"` + see},
		"each mistake":        {[]string{"a", "-b"}, `"a"` + see + "\n" + `"b"` + see},
		"a sign alone":        {[]string{"-"}, `""` + see},
		"two signs":           {[]string{"--RootUser"}, `"-RootUser"` + see},
		"a space in a word":   {[]string{"- RootUser"}, `" RootUser"` + see},
		"a hostile word":      {[]string{"\x1b[31m"}, `"\x1b[31m"` + see},
		"a verdict":           {[]string{"Undeclared"}, `"Undeclared"` + see},
		"nothing is left":     {[]string{"RootUser", "-RootUser"}, "no check is left"},
		"everything left out": {[]string{"-all"}, "no check is left"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := ParseSelection(test.words)
			if err == nil || err.Error() != test.want || s != nil {
				t.Errorf("%v, %v, want %s", s, err, test.want)
			}
		})
	}
}

// TestDefaultSelection holds the checks' traits against what is posture, and what is off.
func TestDefaultSelection(t *testing.T) {
	t.Parallel()
	var posture, optional []string
	for _, check := range checks() {
		for _, verdict := range check.Verdicts() {
			reason := check.Name().Reason(verdict)
			if check.Posture(verdict) {
				posture = append(posture, reason)
			}
			if check.Optional(verdict) {
				optional = append(optional, reason)
				if !check.Posture(verdict) {
					t.Errorf("%s is off, and no posture", reason)
				}
			}
		}
	}
	if diff := cmp.Diff([]string{"HostUsersShared", "RootFilesystemWritable"}, optional); diff != "" {
		t.Errorf("off (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"RunsAsRoot", "ImplicitGroups", "CapabilitiesAdded", "PrivilegeEscalationAllowed", "SeccompUnconfined", "AppArmorUnconfined",
		"SELinuxUnconfined", "HostUsersShared", "HostUTSShared", "HostCgroupShared", "HostRootEntered", "RootFilesystemWritable",
		"ProcUnmasked", "HostPathMounted", "HostDevices", "UnsafeSysctls", "SharedPropagation",
	}, posture); diff != "" {
		t.Errorf("posture (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(optional, without(optional, reasonsWanted(DefaultSelection())...), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("on by default though it is off:\n%s", diff)
	}
}
