// SPDX-License-Identifier: Apache-2.0

package runtimes

import "strings"

// sandboxed are parts of the names of runtimes whose containers have a kernel of their own: gVisor,
// Kata Containers, and firecracker-containerd. Names of shims have the form io.containerd.NAME.vN,
// and that of Kata may say which machine it is: io.containerd.kata-qemu.v2.
var sandboxed = [...]string{"runsc", "gvisor", "kata", "firecracker"}

// IsSandboxed reports whether a runtime, by the name of its shim or as its cgroups hint at it, does
// not share the host's kernel with its containers. Their processes on the host are the sandbox's
// then, not those of the program.
func IsSandboxed(runtime string) bool {
	for part := range strings.SplitSeq(runtime, ".") {
		for _, name := range sandboxed {
			if part == name || strings.HasPrefix(part, name+"-") {
				return true
			}
		}
	}
	return false
}
