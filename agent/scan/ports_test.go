package scan

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// walkOf is a walk that has seen these containers.
func walkOf(containers ...inventory.Container) *walk {
	snap := &snapshot.Snapshot{Host: nstest.Host(), Ports: &snapshot.PortCoverage{}}
	return newWalk(nil, snap, containers)
}

func pauseOf(id string) inventory.Container {
	return inventory.Container{ID: id, RuntimeNamespace: "k8s.io", Sandbox: true, SandboxID: id}
}

func inPodOf(box, id string) inventory.Container {
	return inventory.Container{ID: id, RuntimeNamespace: "k8s.io", SandboxID: box}
}

func TestWhereAForwardLeads(t *testing.T) {
	t.Parallel()
	address := netip.MustParseAddr("10.244.1.5")
	tests := map[string]struct {
		containers []inventory.Container
		owner      string
		want       string
	}{
		"a sandbox":                        {[]inventory.Container{inPodOf("box", "c"), pauseOf("box")}, "box", "box"},
		"a sandbox without a pause":        {[]inventory.Container{inPodOf("box", "c")}, "box", "c"},
		"nerdctl's":                        {[]inventory.Container{{ID: "c", RuntimeName: inventory.Containerd, RuntimeNamespace: "my-space"}}, "my-space-c", "c"},
		"Podman's":                         {[]inventory.Container{{ID: "c"}}, "c", "c"},
		"nobody named, but an address":     {[]inventory.Container{pauseOf("box"), {ID: "at", RuntimeNamespace: "moby"}}, "", "at"},
		"one that is gone, and an address": {[]inventory.Container{{ID: "at", RuntimeNamespace: "moby"}}, "gone", "at"},
		"elsewhere":                        {[]inventory.Container{pauseOf("box")}, "gone", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := walkOf(test.containers...)
			w.forwards.sandboxes = w.sandboxKeys()
			w.forwards.addresses = map[netip.Addr]inventory.Key{address: {RuntimeNamespace: "moby", ID: "at"}}
			forward := nstest.Forward(9000)
			forward.Owner = test.owner
			got := ""
			if container := w.leadsTo(&forward); container != nil {
				got = container.ID
			}
			if got != test.want {
				t.Errorf("leads to %q, want %q", got, test.want)
			}
		})
	}
}

func TestWhatAForwardTakes(t *testing.T) {
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
		if got := takesFrom(&test.forward, &test.socket); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}

// TestFileMemory has a node with so many open files that they are not listed in each scan.
func TestFileMemory(t *testing.T) {
	t.Parallel()
	memory := new(HolderCache)
	scan := func(pids ...int) *walk {
		w := walkOf(pauseOf("box"))
		container := w.containers[inventory.Key{RuntimeNamespace: "k8s.io", ID: "box"}]
		for _, pid := range pids {
			container.Processes = append(container.Processes, snapshot.Process{PID: pid})
		}
		w.sockets.table.Sockets = []socket.Socket{nstest.Listener(8080)}
		w.sockets.byInode = map[uint64][]int{8080: {0}}
		w.sockets.deep = memory.begin(false)
		if w.sockets.deep {
			w.sockets.listed = manyFiles + 1
			w.sockets.of(container.Key(), 0).add(snapshot.Holder{PID: 7, Command: "web"})
		}
		memory.end(w)
		w.recordSockets()
		return w
	}
	var deep []bool
	for range filesBeat + 1 {
		w := scan(7)
		deep = append(deep, w.sockets.deep)
		if sockets := w.containers[inventory.Key{RuntimeNamespace: "k8s.io", ID: "box"}].Sockets; len(sockets) != 1 || sockets[0].Holders[0].Command != "web" {
			t.Fatalf("scan %d: sockets %+v", len(deep), sockets)
		}
	}
	want := slices.Concat([]bool{true}, make([]bool, filesBeat-1), []bool{true})
	if diff := cmp.Diff(want, deep); diff != "" {
		t.Errorf("which scans list all files (-want +got):\n%s", diff)
	}
	w := scan(8) // Process 7 has ended, and with it what it held.
	if sockets := w.containers[inventory.Key{RuntimeNamespace: "k8s.io", ID: "box"}].Sockets; len(sockets) != 0 {
		t.Errorf("sockets of a process that is gone: %+v", sockets)
	}
	if !memory.begin(true) {
		t.Error("a look at single containers does not list their files")
	}
}
