// SPDX-License-Identifier: Apache-2.0

package runtimes

import "testing"

func TestProcessNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct{ init, runtime, shim, keepsPort bool }{
		"runc":                                   {runtime: true},
		"runc:[2:INIT]":                          {init: true, runtime: true},
		"crun":                                   {runtime: true},
		"youki":                                  {runtime: true},
		"rootlessport":                           {keepsPort: true},
		"memfd:crun_clon":                        {runtime: true},
		"docker-proxy":                           {keepsPort: true},
		"conmon":                                 {shim: true, keepsPort: true},
		"containerd-shim":                        {shim: true},
		"/usr/local/bin/containerd-shim-runc-v2": {shim: true},
		"/usr/sbin/runc":                         {runtime: true},
		"/usr/sbin/runc (deleted)":               {runtime: true},
		"/memfd:crun_cloned:/proc/self/exe (deleted)": {runtime: true},
		"/memfd:sh:/usr/sbin/runc (deleted)":          {},
		"/runc/sleep":                                 {},
		"sleep":                                       {},
		"":                                            {},
		"nsenter":                                     {},
		"docker-proxy2":                               {},
	} {
		if got := IsInit(name); got != want.init {
			t.Errorf("IsInit(%q) = %t, want %t", name, got, want.init)
		}
		if got := IsRuntime(name); got != want.runtime {
			t.Errorf("IsRuntime(%q) = %t, want %t", name, got, want.runtime)
		}
		if got := IsShim(name); got != want.shim {
			t.Errorf("IsShim(%q) = %t, want %t", name, got, want.shim)
		}
		if got := KeepsPort(name); got != want.keepsPort {
			t.Errorf("KeepsPort(%q) = %t, want %t", name, got, want.keepsPort)
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
