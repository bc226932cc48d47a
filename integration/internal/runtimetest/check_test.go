// SPDX-License-Identifier: Apache-2.0

//go:build linux && integration

package runtimetest

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
)

// wantHost checks which namespaces of a process are the host's: exactly the given ones.
func wantHost(t *testing.T, c *Containerd, pid int, kinds ...string) {
	t.Helper()
	for _, kind := range []string{"net", "pid", "ipc", "uts"} {
		wantSame(t, c.PID(), pid, kind, slices.Contains(kinds, kind))
	}
}

func wantSame(t *testing.T, a, b int, kind string, want bool) {
	t.Helper()
	nsA, nsB := readLink(t, procPath(a, "ns", kind)), readLink(t, procPath(b, "ns", kind))
	if (nsA == nsB) != want {
		t.Errorf("%s namespace of %d is %s, of %d is %s; want same: %t", kind, a, nsA, b, nsB, want)
	}
}

func threadsInHostNet(t *testing.T, c *Containerd, pid int) int {
	t.Helper()
	host, n := readLink(t, procPath(c.PID(), "ns/net")), 0
	for _, link := range glob(t, procPath(pid, "task/*/ns/net")) {
		if namespace, err := os.Readlink(link); err == nil && namespace == host {
			n++
		}
	}
	return n
}

// wantNothingLeft looks in every process, mount, cgroup and directory for the name that all of them bear.
func wantNothingLeft(t *testing.T, c *Containerd, sockets []string) {
	t.Helper()
	for _, path := range append(sockets, c.dir) {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s: %v", path, err)
		}
	}
	cgroups, err := cgroupTree(c.name)
	if err != nil || len(cgroups) > 0 {
		t.Errorf("cgroups %v, %v", cgroups, err)
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(c.dir))
	if err != nil || len(mounts) > 0 {
		t.Errorf("mounts %v, %v", mounts, err)
	}
	for _, command := range glob(t, "/proc/[0-9]*/cmdline") {
		if text, err := os.ReadFile(command); err == nil && strings.Contains(string(text), c.name) {
			t.Errorf("%s: %q", command, text)
		}
	}
	if results := glob(t, "/var/lib/cni/results/"+c.name+"*"); len(results) > 0 {
		t.Errorf("CNI results %v", results)
	}
	// A pod's end of the cable has the gateway's address at our end. Network namespaces go when the kernel finds the time.
	eventually.True(t, "the pods' network interfaces are gone", func() bool { return !hasAddressIn(t, c.podSubnet()) })
}

func hasAddressIn(t *testing.T, subnet netip.Prefix) bool {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(addresses, func(address net.Addr) bool {
		prefix, err := netip.ParsePrefix(address.String())
		return err == nil && subnet.Contains(prefix.Addr())
	})
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readLink(t *testing.T, path string) string {
	t.Helper()
	link, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	return link
}
