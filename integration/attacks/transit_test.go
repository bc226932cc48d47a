// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import "strconv"

// What is in a namespace of the host at times, or looks like somebody who may be.

func transitAttacks() []scenario {
	return []scenario{
		{
			name: "thread in the host's network", in: privileged(),
			steps: []string{"thread", "setns:" + hostNS("net")}, want: finding("UndeclaredHostNetwork"),
		},
		{
			name: "child in the host's network", in: privileged(),
			steps: []string{"thread", "setns:" + hostNS("net"), "fork"}, want: finding("UndeclaredHostNetwork"),
		},
		{
			name: "one thread of a pod in the host's network", in: privilegedPod(),
			steps: []string{"thread", "setns:" + hostNS("net")}, want: finding("UndeclaredHostNetwork"),
		},
		{
			name: "50 of 500 ms in the host's network", in: privileged(),
			steps: flap(50, 450), want: noticed("transient", "UndeclaredHostNetwork"), pending: true,
		},
		{
			name: "190 of 400 ms in the host's network", in: privileged(),
			steps: flap(190, 210), want: sighting("UndeclaredHostNetwork"), pending: true,
		},
	}
}

func transitInnocents() []scenario {
	return []scenario{
		{name: "sleeper", in: ordinaryPod()},
		{name: "node agent with the host's network", in: hostNetwork()},
	}
}

// flap has a thread be in the host's network for some milliseconds, and then out of it, and so on.
func flap(in, out int) []string {
	return []string{
		"aside", "repeat",
		"setns:" + hostNS("net"), sleeping(in), "setns:/proc/self/ns/net", sleeping(out),
	}
}
func sleeping(ms int) string { return "sleep:" + strconv.Itoa(ms) }
