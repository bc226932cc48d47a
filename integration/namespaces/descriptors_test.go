// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// A socket stays in the network in which it was made, whichever process holds it.
func TestSocketHeldOutside(t *testing.T) {
	fs := openProcfs(t)
	handed := func(t *testing.T) (reference, holder int, inode uint64) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "s")
		taker := launch(t, launchOptions{role: role{Do: "take over", Path: path}, flags: unix.CLONE_NEWNET})
		taker.ready()
		giver := launch(t, launchOptions{role: role{Do: "hand over", Path: path}, flags: unix.CLONE_NEWNET})
		number := giver.number()
		giver.send()
		giver.ready()
		if got := taker.number(); got != 1 {
			t.Fatalf("%d descriptors were handed over", got)
		}
		return giver.pid, taker.pid, uint64(number) //nolint:gosec // An inode.
	}
	left := func(t *testing.T) (reference, holder int, inode uint64) {
		t.Helper()
		host := launch(t, launchOptions{role: role{Do: "block"}, flags: unix.CLONE_NEWNET})
		host.ready()
		leaver := launch(t, launchOptions{role: role{
			Do: "become", Join: []string{nsPath(host.pid, "net")},
			Then: &role{Do: "leave with", Unshare: unix.CLONE_NEWNET, Then: &role{Do: "block"}},
		}})
		number := leaver.toNumber(leaver.await("inode"))
		leaver.ready()
		return host.pid, leaver.pid, uint64(number) //nolint:gosec // An inode.
	}
	for name, arrange := range map[string]func(*testing.T) (int, int, uint64){"handed over": handed, "left with": left} {
		t.Run(name, func(t *testing.T) {
			reference, holder, inode := arrange(t)
			host, err := referenceTo(fs, reference)
			if err != nil {
				t.Fatal(err)
			}
			defer host.Close()
			if idOf(t, namespacesOf(t, fs, holder), nsinspect.Net) == idOf(t, host.Ref().Namespaces, nsinspect.Net) {
				t.Fatal("the holder is in the host's network")
			}
			table, err := socket.List(t.Context(), host)
			if err != nil {
				t.Fatal(err)
			}
			if len(table.Sockets) != 1 || table.Sockets[0].Inode != inode {
				t.Errorf("sockets %+v, want one, %d", table.Sockets, inode)
			}
			for pid, holds := range map[int]bool{holder: true, reference: false} {
				inodes, _ := socketInodes(t, openProcess(t, fs, pid))
				if slices.Contains(inodes, inode) != holds {
					t.Errorf("process %d holds %v, want socket %d: %t", pid, inodes, inode, holds)
				}
			}
		})
	}
}

// socketInodes returns the sockets among the descriptors of a process, sorted.
func socketInodes(t *testing.T, process *nsinspect.Process) ([]uint64, int) {
	t.Helper()
	inodes, seen, err := heldSockets(t.Context(), process)
	if err != nil {
		t.Fatal(err)
	}
	return inodes, seen
}

// heldSockets returns the sockets among the descriptors of a process, sorted, and how many descriptors it has.
func heldSockets(ctx context.Context, process *nsinspect.Process) ([]uint64, int, error) {
	var inodes []uint64
	listed, err := process.Descriptors(ctx, nsinspect.DescriptorRange{Limit: 1000}, func(d *nsinspect.Descriptor) bool {
		if inode, ok := d.Socket(); ok {
			inodes = append(inodes, inode)
		}
		return true
	})
	slices.Sort(inodes)
	return inodes, listed.Seen, err
}

// What an ended leader held its threads hold on.
func TestSocketOfEndedLeader(t *testing.T) {
	fs := openProcfs(t)
	p := launch(t, launchOptions{role: role{Do: "end holding"}})
	inode, err := strconv.ParseUint(p.await("inode"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	p.ready()
	if inodes, seen := socketInodes(t, openProcess(t, fs, p.pid)); !slices.Contains(inodes, inode) {
		t.Errorf("socket %d is not among %v of %d descriptors", inode, inodes, seen)
	}
}

// descriptorList is what a process sees of another's descriptors.
type descriptorList struct {
	Inodes []uint64
	Seen   int
	Err    string
}

// printDescriptors prints the sockets that process PID holds, with the rights of this process.
func printDescriptors(r role) error {
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		return err
	}
	defer fs.Close()
	process, err := fs.Open(r.PID)
	if err != nil {
		return err
	}
	defer process.Close()
	var list descriptorList
	list.Inodes, list.Seen, err = heldSockets(context.Background(), process)
	switch {
	case errors.Is(err, nsinspect.ErrDenied):
		list.Err = nsinspect.ErrDenied.Error()
	case err != nil:
		list.Err = err.Error()
	}
	return printAndBlock(list)
}

// The right to trace is enough to learn of another user's sockets.
func TestDescriptorsByRights(t *testing.T) {
	fs := openProcfs(t)
	owner := launch(t, launchOptions{role: role{Do: "hold unprivileged"}, uid: 1000})
	owner.ready()
	inodes, seen := socketInodes(t, openProcess(t, fs, owner.pid))
	if len(inodes) == 0 {
		t.Fatalf("no socket among %d descriptors", seen)
	}
	all := descriptorList{Inodes: inodes, Seen: seen}
	denied := descriptorList{Err: nsinspect.ErrDenied.Error()}
	for rights, want := range map[string]descriptorList{
		"-all,+sys_ptrace":                  all,
		"-all,+sys_ptrace,+dac_read_search": all,
		"-all,+dac_read_search":             denied,
		"-all":                              denied,
	} {
		reader := launch(t, launchOptions{role: role{Do: "descriptors", PID: owner.pid}, through: []string{"setpriv", "--bounding-set", rights}})
		got := decode[descriptorList](t, reader.ready())
		if rights == "-all,+dac_read_search" {
			got.Seen = 0 // They may be listed, but not looked at.
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("with %s -want +got:\n%s", rights, diff)
		}
	}
}
