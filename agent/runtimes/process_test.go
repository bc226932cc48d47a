// SPDX-License-Identifier: Apache-2.0

package runtimes

import "testing"

func TestProcessNames(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]struct{ init, entering, keepsPort bool }{
		"runc":            {entering: true},
		"runc:[0:PARENT]": {entering: true},
		"runc:[2:INIT]":   {init: true, entering: true},
		"crun":            {entering: true},
		"youki":           {entering: true},
		"youki:[1:INTER]": {entering: true},
		"youki:[2:INIT]":  {entering: true},
		"docker-proxy":    {keepsPort: true},
		"conmon":          {keepsPort: true},
		"rootlessport":    {keepsPort: true},
		"sleep":           {},
		"":                {},
		"nsenter":         {},
		"docker-proxy2":   {},
	} {
		if got := IsInit(command); got != want.init {
			t.Errorf("IsInit(%q) = %t, want %t", command, got, want.init)
		}
		if got := IsEntering(command); got != want.entering {
			t.Errorf("IsEntering(%q) = %t, want %t", command, got, want.entering)
		}
		if got := KeepsPort(command); got != want.keepsPort {
			t.Errorf("KeepsPort(%q) = %t, want %t", command, got, want.keepsPort)
		}
	}
}

func TestCutOwner(t *testing.T) {
	t.Parallel()
	for owner, want := range map[string][3]string{
		"abc":           {"", "", "abc"},
		"default-abc":   {"containerd", "default", "abc"},
		"my-team-abc":   {"containerd", "my-team", "abc"},
		"":              {},
		"-abc":          {"containerd", "", "abc"},
		"default-abc-":  {"containerd", "default-abc", ""},
		"de\x1bfault-x": {"containerd", "de\x1bfault", "x"},
	} {
		if runtime, namespace, id := CutOwner(owner); [3]string{runtime, namespace, id} != want {
			t.Errorf("CutOwner(%q) = %q, %q, %q, want %q", owner, runtime, namespace, id, want)
		}
	}
}

func TestDatapath(t *testing.T) {
	t.Parallel()
	if got := Datapath([]string{"cilium_host", "eth0", "lo"}); got != "Cilium" {
		t.Errorf("Datapath with Cilium = %q", got)
	}
	if got := Datapath([]string{"cilium_host2", "eth0", "lo"}); got != "" {
		t.Errorf("Datapath without Cilium = %q", got)
	}
}
