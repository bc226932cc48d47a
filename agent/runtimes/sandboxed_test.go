// SPDX-License-Identifier: Apache-2.0

package runtimes

import "testing"

func TestIsSandboxed(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"io.containerd.runsc.v1": true, "runsc": true, "io.containerd.kata.v2": true, "io.containerd.kata-qemu.v2": true,
		"aws.firecracker": true, "io.containerd.runc.v2": false, "io.containerd.runtime.v1.linux": false, "crun": false,
		"": false, "io.containerd.katabatic.v2": false,
	} {
		if got := IsSandboxed(name); got != want {
			t.Errorf("IsSandboxed(%q) = %t, want %t", name, got, want)
		}
	}
}
