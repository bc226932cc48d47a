// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

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

func TestNamed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		containers []inventory.Container
		owner      string
		want       string
	}{
		"a sandbox":                 {[]inventory.Container{inPodOf("box", "c"), pauseOf("box")}, "box", "box"},
		"a sandbox without a pause": {[]inventory.Container{inPodOf("box", "c")}, "box", "c"},
		"nerdctl's":                 {[]inventory.Container{{ID: "c", RuntimeName: runtimes.Containerd, RuntimeNamespace: "my-space"}}, "my-space-c", "c"},
		"Podman's":                  {[]inventory.Container{{ID: "c"}}, "c", "c"},
		"nobody":                    {[]inventory.Container{pauseOf("box")}, "", ""},
		"one that is gone":          {[]inventory.Container{pauseOf("box")}, "gone", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var containers []*inventory.Container
			for i := range test.containers {
				containers = append(containers, &test.containers[i])
			}
			forward := nstest.Forward(9000)
			forward.Owner = test.owner
			key, ok := NewTargets(containers).Named(&forward)
			if ok != (test.want != "") || ok && key.ID != test.want {
				t.Errorf("names %q, %v; want %q", key.ID, ok, test.want)
			}
		})
	}
}

// TestAddresses has containers with addresses to which forwards lead, and with others.
func TestAddresses(t *testing.T) {
	t.Parallel()
	type has struct {
		network, who string
		nested       bool
	}
	tests := map[string]struct {
		target, last string
		has          []has
		want         []string
	}{
		"one":                            {"10.244.1.5", "", []has{{"10.244.1.5/32", "a", false}, {"10.244.1.6/32", "b", false}}, []string{"a"}},
		"nobody":                         {"10.244.1.5", "", []has{{"10.244.1.6/32", "b", false}}, nil},
		"two":                            {"10.244.1.5", "", []has{{"10.244.1.5/32", "a", false}, {"10.244.1.5/32", "b", false}}, []string{"a", "b"}},
		"twice":                          {"10.244.1.5", "", []has{{"10.244.1.5/32", "a", false}, {"10.244.1.5/32", "a", false}}, []string{"a"}},
		"below a container":              {"10.244.1.5", "", []has{{"10.244.1.5/32", "a", true}}, []string{"a"}},
		"below a container, and another": {"10.244.1.5", "", []has{{"10.244.1.5/32", "a", true}, {"10.244.1.5/32", "b", false}}, []string{"b"}},
		"a whole network":                {"10.244.1.5", "", []has{{"10.244.0.0/16", "a", false}}, []string{"a"}},
		"loopback":                       {"127.0.0.1", "", []has{{"127.0.0.0/8", "a", false}}, nil},
		"the host itself":                {"0.0.0.0", "", []has{{"0.0.0.0/0", "a", false}}, nil},
		"a range":                        {"10.244.1.5", "10.244.1.7", []has{{"10.244.1.4/32", "a", false}, {"10.244.1.7/32", "b", false}, {"10.244.1.8/32", "c", false}}, []string{"b"}},
		"a range, and a network":         {"10.244.1.5", "10.244.1.7", []has{{"10.244.1.6/31", "a", false}, {"10.244.0.0/24", "b", false}}, []string{"a"}},
		"of the other family":            {"10.244.1.5", "10.244.1.7", []has{{"::/0", "a", false}}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forward := nstest.Forward(9000)
			forward.Target = netip.AddrPortFrom(netip.MustParseAddr(test.target), 80)
			if test.last != "" {
				forward.LastTarget = netip.MustParseAddr(test.last)
			}
			addresses := NewAddresses([]netfilter.Forward{forward, nstest.Forward(1)})
			for _, has := range test.has {
				addresses.Add(netip.MustParsePrefix(has.network), inventory.Key{ID: has.who}, has.nested)
			}
			var got []string
			for _, key := range addresses.Of(&forward) {
				got = append(got, key.ID)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestManyRanges has more ranges of addresses than are looked at.
func TestManyRanges(t *testing.T) {
	t.Parallel()
	var forwards []netfilter.Forward
	for i := range maxRanges + 1 {
		forward := nstest.Forward(9000)
		forward.LastTarget = netip.AddrFrom4([4]byte{10, 244, 2, byte(i)})
		forwards = append(forwards, forward)
	}
	if NewAddresses(forwards[:maxRanges]).Capped() || !NewAddresses(forwards).Capped() {
		t.Errorf("the cap is not at %d", maxRanges)
	}
}

func TestShadows(t *testing.T) {
	t.Parallel()
	listener := func(protocol socket.Protocol, address string, dual bool) socket.Socket {
		return socket.Socket{Protocol: protocol, Address: netip.MustParseAddrPort(address), DualStack: dual}
	}
	loopback := nstest.Forward(22)
	loopback.HostAddress = netip.MustParseAddr("127.0.0.1")
	network := nstest.Forward(22)
	network.HostNetwork = netip.MustParsePrefix("192.0.2.0/28")
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
		"in its network":       {network, listener(socket.TCP, "192.0.2.1:22", false), true},
		"outside its network":  {network, listener(socket.TCP, "127.0.0.1:22", false), false},
		"another address":      {loopback, listener(socket.TCP, "192.0.2.1:22", false), false},
	}
	for name, test := range tests {
		if got := Shadows(&test.forward, &test.socket); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}
