// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// referenceTo lets a process stand for the host. The caller closes it.
func referenceTo(fs *nsinspect.FS, pid int) (*nsinspect.Host, error) {
	return fs.Host(nil, nsinspect.HostCandidate{Reference: nsinspect.ByHostPID, PID: pid})
}

// listing is what a process sees of the host's sockets.
type listing struct {
	socket.Table
	// Failures are the errors as texts.
	Failures map[socket.Protocol]string
	// Elsewhere are the threads of the reader that are not where it started.
	Elsewhere []string
	Err       string
}

// listSockets lists the sockets of the process that stands for the host.
func listSockets(ctx context.Context, pid int) (listing, error) {
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		return listing{}, err
	}
	defer fs.Close()
	host, err := referenceTo(fs, pid)
	if err != nil {
		return listing{}, err
	}
	defer host.Close()
	table, err := socket.List(ctx, host)
	if err != nil {
		return listing{}, err
	}
	l := listing{Table: table, Failures: make(map[socket.Protocol]string)}
	for protocol, err := range table.Failed {
		l.Failures[protocol] = err.Error()
	}
	l.Failed = nil
	own, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return listing{}, err
	}
	// A thread that was elsewhere takes a moment to end.
	err = eventually.Holds(kernelLimit, "the threads to come home", func() bool {
		l.Elsewhere = threadsElsewhere(own)
		return len(l.Elsewhere) == 0
	})
	return l, err
}

// threadsElsewhere names the threads of this process that are in another network namespace.
func threadsElsewhere(own string) []string {
	links, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		return []string{err.Error()}
	}
	var elsewhere []string
	for _, link := range append(links, "/proc/self/ns/net") {
		if target, err := os.Readlink(link); err == nil && target != own {
			elsewhere = append(elsewhere, link)
		}
	}
	return elsewhere
}

// listAndPrint lists the sockets of process PID, with the rights of this process.
func listAndPrint(r role) error {
	l, err := listSockets(context.Background(), r.PID)
	if err != nil {
		l.Err = err.Error()
		for _, outcome := range []error{nsinspect.ErrDenied, nsinspect.ErrVanished} {
			if errors.Is(err, outcome) {
				l.Err = outcome.Error()
			}
		}
	}
	return printAndBlock(l)
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("decode %.200q: %v", text, err)
	}
	return value
}

// compareSockets compares sockets in any order, without their cgroups.
func compareSockets() cmp.Options {
	return cmp.Options{
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
		cmpopts.IgnoreFields(socket.Socket{}, "Cgroup"),
		cmpopts.SortSlices(func(a, b socket.Socket) bool {
			return a.Inode < b.Inode || a.Inode == b.Inode && a.Address.Addr().Less(b.Address.Addr())
		}),
	}
}

// withoutSysAdmin starts a role with every right of root but that to enter namespaces.
func withoutSysAdmin() []string { return []string{"setpriv", "--bounding-set", "-sys_admin"} }

// Every kind of socket is seen as it is, from wherever, in whichever way.
func TestSockets(t *testing.T) {
	openProcfs(t)
	holder := launch(t, launchOptions{role: role{Do: "hold"}, flags: unix.CLONE_NEWNET})
	all := decode[[]socket.Socket](t, holder.ready())
	// procfs does not show whether IPv4 is accepted as well.
	undual := slices.Clone(all)
	for i := range undual {
		undual[i].DualStack = false
	}
	bySockDiag := map[socket.Protocol]socket.Source{
		socket.TCP: socket.SockDiag, socket.UDP: socket.SockDiag, socket.UDPLite: socket.SockDiag, socket.Raw: socket.Procfs,
	}
	byProcNet := make(map[socket.Protocol]socket.Source)
	for protocol := range bySockDiag {
		byProcNet[protocol] = socket.Procfs
	}
	joins := []string{nsPath(holder.pid, "net")}
	list := role{Do: "sockets", PID: holder.pid}
	tests := map[string]struct {
		options launchOptions
		want    []socket.Socket
		ways    map[socket.Protocol]socket.Source
	}{
		"from the same namespace":    {launchOptions{role: role{Do: "become", Join: joins, Then: &list}}, all, bySockDiag},
		"from another":               {launchOptions{role: list}, all, bySockDiag},
		"from another of a pod":      {launchOptions{role: list, flags: unix.CLONE_NEWNET | unix.CLONE_NEWNS}, all, bySockDiag},
		"without the right to enter": {launchOptions{role: list, flags: unix.CLONE_NEWNET, through: withoutSysAdmin()}, undual, byProcNet},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := decode[listing](t, launch(t, test.options).ready())
			if l.Err != "" || len(l.Failures) > 0 || len(l.Elsewhere) > 0 {
				t.Fatalf("listing %+v", l)
			}
			if diff := cmp.Diff(test.want, l.Sockets, compareSockets()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			for protocol, way := range test.ways {
				if !slices.Contains(l.Absent, protocol) && l.Sources[protocol] != way {
					t.Errorf("%s was read by %q, want %q", protocol, l.Sources[protocol], way)
				}
			}
		})
	}
}

// Without access to the reference the listeners are unknown, which is not the same as none.
func TestSocketsWithoutRights(t *testing.T) {
	openProcfs(t)
	holder := launch(t, launchOptions{role: role{Do: "hold"}, flags: unix.CLONE_NEWNET})
	holder.ready()
	l := decode[listing](t, launch(t, launchOptions{role: role{Do: "sockets", PID: holder.pid}, uid: nobody}).ready())
	if l.Err != nsinspect.ErrDenied.Error() || len(l.Sockets) > 0 {
		t.Errorf("listing %+v, want %v", l, nsinspect.ErrDenied)
	}
}

// sock_diag says in which cgroup a socket was made.
func TestSocketsTellTheirCgroup(t *testing.T) {
	fs := openProcfs(t)
	_, dir := v2(t).container(t)
	holder := launch(t, launchOptions{role: role{Do: "hold"}, flags: unix.CLONE_NEWNET, cgroup: dir})
	holder.ready()
	var stat unix.Stat_t
	if err := unix.Stat(dir, &stat); err != nil {
		t.Fatal(err)
	}
	host, err := referenceTo(fs, holder.pid)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	table, err := socket.List(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range table.Sockets {
		want := stat.Ino
		if got.Protocol == socket.Raw || got.Address.Port() == manyAddressesPort {
			want = 0 // sock_diag has no answer, or none that a message has room for.
		}
		if got.Cgroup != want {
			t.Errorf("%s %v was made in cgroup %d, want %d", got.Protocol, got.Address, got.Cgroup, want)
		}
	}
}

// A dump of many messages is read whole, and by both ways to the same end.
func TestManySockets(t *testing.T) {
	openProcfs(t)
	const many = 10_000
	holder := launch(t, launchOptions{role: role{Do: "flood", N: many}, flags: unix.CLONE_NEWNET})
	holder.ready()
	list := role{Do: "sockets", PID: holder.pid}
	entered := decode[listing](t, launch(t, launchOptions{role: list}).ready())
	read := decode[listing](t, launch(t, launchOptions{role: list, through: withoutSysAdmin()}).ready())
	if entered.Sources[socket.TCP] != socket.SockDiag || read.Sources[socket.TCP] != socket.Procfs {
		t.Fatalf("read by %v and %v", entered.Sources, read.Sources)
	}
	if len(entered.Sockets) != many || len(entered.Failures)+len(read.Failures) > 0 {
		t.Errorf("%d sockets, failures %v and %v", len(entered.Sockets), entered.Failures, read.Failures)
	}
	if diff := cmp.Diff(entered.Sockets, read.Sockets, compareSockets()); diff != "" {
		t.Errorf("-sock_diag +procfs:\n%s", diff)
	}
}

// Going into other namespaces, often and from everywhere, leaves no thread there, not even the
// first of the process, which can't end.
func TestSocketsLeaveNoThreadBehind(t *testing.T) {
	fs := openProcfs(t)
	holder := launch(t, launchOptions{role: role{Do: "hold"}, flags: unix.CLONE_NEWNET})
	holder.ready()
	host, err := referenceTo(fs, holder.pid)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	own, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	const looks, atOnce = 25, 8
	done := make(chan error)
	for range atOnce {
		go func() {
			var err error
			for range looks {
				_, lookErr := socket.List(context.Background(), host)
				err = errors.Join(err, lookErr)
			}
			done <- err
		}()
	}
	for range atOnce {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := eventually.Holds(kernelLimit, "the threads to come home", func() bool { return len(threadsElsewhere(own)) == 0 }); err != nil {
		t.Errorf("%v: %q", err, threadsElsewhere(own))
	}
}
