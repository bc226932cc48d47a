// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"net/netip"
	"testing"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

func pauseOf(id string) inventory.Container {
	return inventory.Container{ID: id, RuntimeNamespace: "k8s.io", Sandbox: true, SandboxID: id}
}

func inPodOf(box, id string) inventory.Container {
	return inventory.Container{ID: id, RuntimeNamespace: "k8s.io", SandboxID: box}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	address := netip.MustParseAddr("10.244.1.5")
	tests := map[string]struct {
		containers []inventory.Container
		owner      string
		want       string
	}{
		"a sandbox":                        {[]inventory.Container{inPodOf("box", "c"), pauseOf("box")}, "box", "box"},
		"a sandbox without a pause":        {[]inventory.Container{inPodOf("box", "c")}, "box", "c"},
		"nerdctl's":                        {[]inventory.Container{{ID: "c", RuntimeName: runtimes.Containerd, RuntimeNamespace: "my-space"}}, "my-space-c", "c"},
		"Podman's":                         {[]inventory.Container{{ID: "c"}}, "c", "c"},
		"nobody named, but an address":     {[]inventory.Container{pauseOf("box"), {ID: "at", RuntimeNamespace: "moby"}}, "", "at"},
		"one that is gone, and an address": {[]inventory.Container{{ID: "at", RuntimeNamespace: "moby"}}, "gone", "at"},
		"elsewhere":                        {[]inventory.Container{pauseOf("box")}, "gone", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var containers []*inventory.Container
			addresses := make(map[netip.Addr]inventory.Key)
			for i := range test.containers {
				container := &test.containers[i]
				containers = append(containers, container)
				if container.ID == "at" {
					addresses[address] = container.Key()
				}
			}
			targets := NewTargets(containers, func() map[netip.Addr]inventory.Key { return addresses })
			forward := nstest.Forward(9000)
			forward.Owner = test.owner
			key, ok := targets.Of(&forward)
			if key.ID != test.want || ok != (test.want != "") {
				t.Errorf("leads to %q, %v; want %q", key.ID, ok, test.want)
			}
		})
	}
}

func TestShadows(t *testing.T) {
	t.Parallel()
	listener := func(protocol socket.Protocol, address string, dual bool) socket.Socket {
		return socket.Socket{Protocol: protocol, Address: netip.MustParseAddrPort(address), DualStack: dual}
	}
	loopback := nstest.Forward(22)
	loopback.HostAddress = netip.MustParseAddr("127.0.0.1")
	tests := map[string]struct {
		forward netfilter.Forward
		socket  socket.Socket
		want    bool
	}{
		"all addresses":        {nstest.Forward(22), listener(socket.TCP, "0.0.0.0:22", false), true},
		"one address":          {nstest.Forward(22), listener(socket.TCP, "192.0.2.1:22", false), true},
		"both families":        {nstest.Forward(22), listener(socket.TCP, "[::]:22", true), true},
		"the other family":     {nstest.Forward(22), listener(socket.TCP, "[::]:22", false), false},
		"the other, one of it": {nstest.Forward(22), listener(socket.TCP, "[::1]:22", false), false},
		"another protocol":     {nstest.Forward(22), listener(socket.UDP, "0.0.0.0:22", false), false},
		"its address":          {loopback, listener(socket.TCP, "127.0.0.1:22", false), true},
		"another address":      {loopback, listener(socket.TCP, "192.0.2.1:22", false), false},
	}
	for name, test := range tests {
		if got := Shadows(&test.forward, &test.socket); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}
