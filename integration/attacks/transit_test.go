// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"slices"
	"strconv"
)

// toHostNet has the calling thread be in the host's network.
const toHostNet = "setns:/host/proc/1/ns/net"

// transitAttacks are in a namespace of the host at times, or do not look as if they were.
func transitAttacks() []scenario {
	const net, transient = "UndeclaredHostNetwork", "unsettled"
	return []scenario{
		{name: "190 of 400 ms in the host's network", in: privileged(), steps: flap("net", 190, 210), want: sighting(net)},
		{name: "190 of 400 ms in the host's IPC", in: privileged(), steps: flap("ipc", 190, 210), want: sighting("UndeclaredHostIPC")},
		{name: "190 of 400 ms, in a pod", in: privilegedPod(), steps: flap("net", 190, 210), want: sighting(net)},
		{name: "100 of 200 ms", in: privileged(), steps: flap("net", 100, 100), want: sighting(net)},
		{name: "200 of 400 ms, exactly as long as between two looks", in: privileged(), steps: flap("net", 200, 200), want: sighting(net)},
		{name: "50 of 250 ms", in: privileged(), steps: flap("net", 50, 200), want: noticed(transient, net)},
		{name: "50 of 500 ms", in: privileged(), steps: flap("net", 50, 450), want: noticed(transient, net)},
		{name: "10 of 100 ms", in: privileged(), steps: flap("net", 10, 90), want: noticed(transient, net)},
		{name: "1 of 2 s", in: privileged(), steps: flap("net", 1000, 1000), want: sighting(net)},
		{name: "190 of 400 ms with the first thread", also: netless(), in: privileged(), steps: slices.Concat(
			[]string{"keep:own=/proc/self/ns/net", "told", "repeat"}, turn("net", "$own", 190, 210)), want: sighting(net)},
		{name: "a child of 50 ms in each 250 ms", in: privileged(), steps: visits(50, 200), want: noticed(transient, net)},
		{name: "a child of 300 ms in each second", in: privileged(), steps: visits(300, 700), want: sighting(net)},
		{name: "from process to process each 50 ms", in: privileged(), steps: []string{"fork", "hop:50", toHostNet}, want: noticed(transient, net)},
		{name: "from process to process each 300 ms", in: privileged(), steps: []string{"fork", "hop:300", toHostNet}, want: sighting(net)},
		{name: "named runc, 4.5 s in, 0.3 s out", in: privileged(), want: sighting(net), steps: slices.Concat(
			[]string{"keep:own=/proc/self/ns/net", "fork", "keep:own=/proc/self/ns/net", "disguise:runc:[1:CHILD]", "repeat"}, turn("net", "$own", 4500, 300))},
		{name: "named runc, stays", in: privileged(), steps: []string{"fork", "disguise:runc:[2:INIT]", toHostNet}, want: finding(net)},
		{name: "named runc, a new process each 2 s", in: privileged(), steps: []string{"fork", "hop:2000", toHostNet, "name:runc:[2:INIT]"}, want: sighting(net)},
		{name: "named crun", in: privileged(), steps: []string{"fork", "hop:2000", toHostNet, "name:crun"}, want: sighting(net)},
		{
			name: "named runc, from a file of that name", in: privileged(), want: sighting(net),
			steps: []string{"mkdir:/usr/local/sbin", "fork", "copy:/usr/local/sbin/runc", "hop:2000", toHostNet, "name:runc"},
		},
		{
			name: "named runc, from memory", in: privileged(), want: sighting(net),
			steps: []string{"fork", "memfd:runc_cloned:/proc/self/exe", "hop:2000", toHostNet, "name:runc:[2:INIT]"},
		},
		{
			name: "named runc, below a parent named runc", in: privileged(), want: sighting(net),
			steps: []string{"fork", "name:runc", "fork", "hop:2000", toHostNet, "name:runc:[2:INIT]"},
		},
		{name: "named runc, in a pod", in: privilegedPod(), steps: []string{"fork", "hop:2000", toHostNet, "name:runc:[2:INIT]"}, want: sighting(net)},
	}
}

// transitInnocents look as if they were in a namespace of the host.
func transitInnocents() []scenario {
	return []scenario{
		{name: "sleeper", in: ordinaryPod()},
		{name: "node agent with the host's network", in: hostNetwork()},
		{name: "named runc and at home", in: ordinary(), steps: []string{"fork", "disguise:runc:[2:INIT]"}},
	}
}

// flap has a thread be in a namespace of the host for some milliseconds, and then out of it, and so on.
func flap(kind string, in, out int) []string {
	return append([]string{"aside", "repeat"}, turn(kind, "/proc/self/ns/"+kind, in, out)...)
}

// turn is one turn of flap.
func turn(kind, own string, in, out int) []string {
	return []string{"setns:/host/proc/1/ns/" + kind, sleeping(in), "setns:" + own, sleeping(out)}
}

// visits has children be in the host's network for some milliseconds, with pauses.
func visits(in, out int) []string {
	return []string{"told", "repeat", "fork", toHostNet, "told", sleeping(in), "exit", ";;", sleeping(out)}
}

func sleeping(ms int) string { return "sleep:" + strconv.Itoa(ms) }
