// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/internal/fakehost"
	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

// fakeHost makes process 5 the host reference of a fake procfs, with these tables below its
// net directory. No namespace can be entered by files that are none of the kernel's.
func fakeHost(t *testing.T, tables map[string]string) (*fakeproc.Proc, *nsinspect.Host) {
	t.Helper()
	fake := fakeproc.New(t)
	fake.Add(fakeproc.Process{PID: 5, NS: fakeproc.AllKinds("host"), Cgroup: "0::/\n"})
	fake.Write("proc/5/net/dev", "")
	for name, table := range tables {
		fake.Write("proc/5/net/"+name, table)
	}
	return fake, fakehost.Open(t, fake)
}

func allTables() map[string]string {
	return map[string]string{
		"tcp": tcpTable, "tcp6": tcp6Table, "udp": udpTable, "udp6": heading(tcp6Table), "raw": rawTable, "raw6": heading(rawTable),
		"udplite": heading(udpTable), "udplite6": heading(tcp6Table), "sctp/eps": epsTable,
	}
}

func addressesOf(table Table) map[Protocol][]string {
	all := make(map[Protocol][]string)
	for _, socket := range table.Sockets {
		all[socket.Protocol] = append(all[socket.Protocol], socket.Address.String())
	}
	return all
}

func TestSocketsByProcNet(t *testing.T) {
	_, host := fakeHost(t, allTables())
	table, err := List(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	want := map[Protocol][]string{
		TCP:  {"0.0.0.0:2024", "[fd00::5]:18081", "127.0.0.1:18082", "[::1]:18083", "127.0.0.1:40973"},
		UDP:  {"127.0.0.1:53", "0.0.0.0:4789"},
		SCTP: {"0.0.0.0:2905", "127.0.1.1:2906", "127.0.1.2:2906", "127.0.1.3:2906", "[::]:2907"},
		Raw:  {"0.0.0.0:1"},
	}
	if diff := cmp.Diff(want, addressesOf(table)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(table.Absent) > 0 || len(table.Failed) > 0 {
		t.Errorf("table %+v", table)
	}
	for _, protocol := range Protocols() {
		if source := table.Sources[protocol]; source != Procfs {
			t.Errorf("%s was read from %q, want %q", protocol, source, Procfs)
		}
	}
	sorted := slices.IsSortedFunc(table.Sockets, func(a, b Socket) int {
		return slices.Index(Protocols(), a.Protocol) - slices.Index(Protocols(), b.Protocol)
	})
	if !sorted {
		t.Errorf("the protocols are not in order: %+v", table.Sockets)
	}
}

func TestSocketsOfSomeProtocols(t *testing.T) {
	const broken = "heading\nbroken\n"
	tests := map[string]struct {
		change func(tables map[string]string)
		absent []Protocol
		failed []Protocol
		// missing are the protocols that nothing could be read of.
		missing []Protocol
	}{
		"all": {change: func(map[string]string) {}},
		"without modules": {
			change: func(tables map[string]string) {
				delete(tables, "sctp/eps")
				delete(tables, "udplite")
				delete(tables, "udplite6")
			},
			absent: []Protocol{SCTP, UDPLite}, missing: []Protocol{SCTP, UDPLite},
		},
		"without IPv6": {change: func(tables map[string]string) {
			for _, name := range []string{"tcp6", "udp6", "raw6", "udplite6"} {
				delete(tables, name)
			}
		}},
		"a broken table":           {change: func(tables map[string]string) { tables["udplite"] = broken }, failed: []Protocol{UDPLite}, missing: []Protocol{UDPLite}},
		"half of the table broken": {change: func(tables map[string]string) { tables["tcp6"] = broken }, failed: []Protocol{TCP}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			tables := allTables()
			test.change(tables)
			_, host := fakeHost(t, tables)
			table, err := List(t.Context(), host)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.absent, table.Absent); diff != "" {
				t.Errorf("absent -want +got:\n%s", diff)
			}
			var failed, missing []Protocol
			for _, protocol := range Protocols() {
				if table.Failed[protocol] != nil {
					failed = append(failed, protocol)
				}
				if table.Sources[protocol] == "" {
					missing = append(missing, protocol)
				}
			}
			if diff := cmp.Diff(test.failed, failed); diff != "" {
				t.Errorf("failed -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(test.missing, missing); diff != "" {
				t.Errorf("not read -want +got:\n%s", diff)
			}
		})
	}
}

// A reference that is not the host any more shows another namespace's sockets.
func TestSocketsOfAnother(t *testing.T) {
	tests := map[string]struct {
		change func(fake *fakeproc.Proc)
		want   error
	}{
		"it moved": {func(fake *fakeproc.Proc) {
			fake.Write("namespaces/elsewhere", "")
			fake.Remove("proc/5/ns/net")
			fake.Link("../../../namespaces/elsewhere", "proc/5/ns/net")
		}, nsinspect.ErrVanished},
		"its pid is another's": {func(fake *fakeproc.Proc) {
			fake.Remove("proc/5")
			fake.Add(fakeproc.Process{PID: 5, NS: fakeproc.AllKinds("other")})
			fake.Write("proc/5/net/tcp", tcpTable)
		}, nsinspect.ErrVanished},
		"it ended":        {func(fake *fakeproc.Proc) { fake.Remove("proc/5") }, nsinspect.ErrVanished},
		"it is a zombie":  {func(fake *fakeproc.Proc) { fake.Remove("proc/5/net") }, nsinspect.ErrVanished},
		"it is forbidden": {func(fake *fakeproc.Proc) { fake.Forbid("proc/5/ns/net") }, nsinspect.ErrDenied},
		"its tables are":  {func(fake *fakeproc.Proc) { fake.Forbid("proc/5/net") }, nsinspect.ErrDenied},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake, host := fakeHost(t, allTables())
			test.change(fake)
			fake.WithoutRights(func() {
				if table, err := List(t.Context(), host); !errors.Is(err, test.want) || len(table.Sockets) > 0 {
					t.Errorf("List = %+v, %v, want %v", table, err, test.want)
				}
			})
		})
	}
}

func TestSocketsNeedAHost(t *testing.T) {
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Close()
	host, _ := fs.Host(nil)
	if table, err := List(t.Context(), host); !errors.Is(err, nsinspect.ErrNoHost) {
		t.Errorf("List = %+v, %v, want %v", table, err, nsinspect.ErrNoHost)
	}
}

func TestSocketsEndWithTheirContext(t *testing.T) {
	_, host := fakeHost(t, allTables())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if table, err := List(ctx, host); !errors.Is(err, context.Canceled) {
		t.Errorf("List = %+v, %v, want %v", table, err, context.Canceled)
	}
}

// Sockets that come and go can be shown twice.
func TestSortDropsWhatIsTwice(t *testing.T) {
	one, other := socketOf(TCP, "0.0.0.0:80", 1, 0), socketOf(TCP, "0.0.0.0:80", 2, 0)
	table := Table{Sockets: []Socket{other, one, other}}
	table.sort()
	if diff := cmp.Diff([]Socket{one, other}, table.Sockets, compareAddresses()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What sock_diag left out comes without what it alone knows.
func TestComplete(t *testing.T) {
	known := socketOf(SCTP, "192.0.2.1:2905", 1, 0)
	known.Cgroup = 7
	bare := known
	bare.Cgroup = 0
	otherAddress, otherSocket := socketOf(SCTP, "192.0.2.2:2905", 1, 0), socketOf(SCTP, "192.0.2.1:2905", 2, 0)
	list, other := newSocketList(), newSocketList()
	for _, socket := range []Socket{otherSocket, bare, otherAddress} {
		other.add(socket)
	}
	list.add(known)
	list.complete(other)
	if diff := cmp.Diff([]Socket{known, otherSocket, otherAddress}, list.sockets, compareAddresses()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	list.limit = len(list.sockets)
	other.add(socketOf(SCTP, "192.0.2.3:2905", 3, 0))
	if list.complete(other); !list.truncated || len(list.sockets) != list.limit {
		t.Errorf("%d sockets of at most %d, truncated: %t", len(list.sockets), list.limit, list.truncated)
	}
}

// The kernel's own tables, from both sources: a process that may ask sock_diag about this one's
// network may read its files too. Other processes come and go, so only our own is looked for.
func TestSocketsOfThisProcess(t *testing.T) {
	listener := listenTCP(t)
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Close()
	host, err := fs.Host(nil, nsinspect.HostCandidate{Reference: nsinspect.ByHostPID, PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	table, err := List(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(table.Sockets, func(s Socket) bool { return s.Address == listener && s.UID == uint32(os.Getuid()) && s.Inode != 0 }) {
		t.Errorf("%v is not in %+v", listener, table)
	}
	files := procNet{host}
	found := newSocketList()
	if err := files.list(t.Context(), TCP, &found); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(found.sockets, func(s Socket) bool { return s.Address == listener }) {
		t.Errorf("%v is not in %+v", listener, found)
	}
}

// listenTCP listens on loopback for the time of the test.
func listenTCP(t *testing.T) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return netip.MustParseAddrPort(listener.Addr().String())
}

// TestMoreSocketsThanTheCap has a protocol that was not read whole: that some of its sockets
// are missing is unknown, not certain.
func TestMoreSocketsThanTheCap(t *testing.T) {
	list := socketList{limit: 2}
	for port := range uint16(3) {
		list.add(Socket{Protocol: TCP, Address: netip.AddrPortFrom(netip.IPv4Unspecified(), port+1)})
	}
	table := Table{Sources: make(map[Protocol]Source), Failed: make(map[Protocol]error)}
	table.add(TCP, SockDiag, list)
	if len(table.Sockets) != 2 || !errors.Is(table.Failed[TCP], nsinspect.ErrTooLarge) {
		t.Errorf("%d sockets, error %v", len(table.Sockets), table.Failed[TCP])
	}
}
