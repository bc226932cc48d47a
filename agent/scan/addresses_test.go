// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/owner"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// withAddress lets the network of a process have the address that nstest's forwards lead to.
func withAddress(t *testing.T, fs *nsinspect.FS, pid int) {
	t.Helper()
	dir := filepath.Join(fs.Root(), fmt.Sprint(pid), "net")
	scantest.Must(t, os.MkdirAll(dir, 0o755))
	scantest.Must(t, os.WriteFile(dir+"/dev", nil, 0o600))
	scantest.Must(t, os.WriteFile(dir+"/fib_trie", []byte("|-- 10.244.1.5\n/32 host LOCAL\n"), 0o600))
}

// TestAddressesAreReadByTheNext has a network whose first processes have ended.
func TestAddressesAreReadByTheNext(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		gone  int
		shown bool
		leads int
		gaps  int
	}{
		"the first shows it":  {0, true, 1, 0},
		"the second shows it": {1, true, 1, 0},
		"none is left":        {3, false, 0, 0},
		"too many have ended": {maxAddressAttempts, true, 0, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const last = 40
			fs := scantest.Procfs(t, map[int]string{last: "/"})
			withAddress(t, fs, last)
			process, err := fs.Open(last)
			scantest.Must(t, err)
			defer process.Close()
			network, err := process.Namespace(nsinspect.Net)
			scantest.Must(t, err)
			var pids []int
			for i := range test.gone {
				pids = append(pids, 1000+i)
			}
			if test.shown {
				pids = append(pids, last)
			}
			f, container := finderOf(nil, nil, pids...)
			var namespaces nsinspect.Namespaces
			namespaces.Set(nsinspect.Net, network)
			for i := range container.Processes {
				container.Processes[i].Groups = []nsinspect.ThreadGroup{{Namespaces: namespaces, Threads: 1}}
			}
			f.node.fs = fs
			r := newForwardResolver(f.node, f.builder, nil, f)
			forward := nstest.Forward(9000)
			r.targets = owner.NewTargets(r.identities())
			r.addresses = owner.NewAddresses([]netfilter.Forward{forward})
			r.readAddresses()
			r.lead(&forward)
			if len(container.Forwards) != test.leads || len(container.Unread.Forwards) != test.gaps {
				t.Errorf("%d forwards, unread %v", len(container.Forwards), container.Unread.Forwards)
			}
		})
	}
}

// TestForwardsToTheHost has rules that lead to the host itself, where a container listens.
func TestForwardsToTheHost(t *testing.T) {
	t.Parallel()
	listener := socket.Socket{Protocol: socket.TCP, Address: netip.MustParseAddrPort("192.0.2.1:8080"), Inode: 7}
	tests := map[string]struct {
		forward netfilter.Forward
		want    bool
	}{
		"redirected":           {netfilter.Forward{Kind: netfilter.Redirect, HostPort: 22, LastPort: 22, Target: netip.MustParseAddrPort("0.0.0.0:8080")}, true},
		"to one of its ports":  {netfilter.Forward{Kind: netfilter.Redirect, HostPort: 22, LastPort: 22, Target: netip.MustParseAddrPort("0.0.0.0:8000"), LastTargetPort: 9000}, true},
		"to another port":      {netfilter.Forward{Kind: netfilter.Redirect, HostPort: 22, LastPort: 22, Target: netip.MustParseAddrPort("0.0.0.0:8081")}, false},
		"to its address":       {netfilter.Forward{HostPort: 22, LastPort: 22, Target: netip.MustParseAddrPort("192.0.2.1:8080")}, true},
		"from the same port":   {netfilter.Forward{HostPort: 8080, LastPort: 8080, Target: netip.MustParseAddrPort("192.0.2.1:0")}, true},
		"to another address":   {netfilter.Forward{HostPort: 22, LastPort: 22, Target: netip.MustParseAddrPort("127.0.0.1:8080")}, false},
		"to one of a range":    {netfilter.Forward{HostPort: 22, LastPort: 22, Target: netip.MustParseAddrPort("192.0.2.0:8080"), LastTarget: netip.MustParseAddr("192.0.2.9")}, true},
		"to who is not a host": {netfilter.Forward{HostPort: 22, LastPort: 22, Target: netip.MustParseAddrPort("192.0.2.7:8080")}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, container := finderOf(nil, []socket.Socket{listener})
			f.of(container, &f.table.Sockets[0]).add(snapshot.Holder{PID: 7})
			r := newForwardResolver(f.node, f.builder, nil, f)
			r.local = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
			test.forward.Protocol = socket.TCP
			var want []string
			if test.want {
				want = []string{"box"}
			}
			var got []string
			for _, key := range r.listeners(&test.forward) {
				got = append(got, key.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
