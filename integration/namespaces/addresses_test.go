// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	stdcmp "cmp"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// ownAddresses are those that haveAddresses gives its network.
func ownAddresses() []string {
	return []string{"10.9.8.0/24", "10.9.8.7/32", "127.0.0.0/8", "127.0.0.1/32", "192.0.2.33/32", "198.51.100.0/24", "::1/128", "fd00:9::7/128", "fe80::7/128"}
}

// haveAddresses has a network with addresses, and with what is none of its own.
func haveAddresses(role) error {
	commands := []string{
		"link set lo up",
		"addr add 10.9.8.7/24 dev lo",
		"addr add 192.0.2.33/32 dev lo",
		"addr add fd00:9::7/64 dev lo",
		"addr add fe80::7/64 dev lo",
		"route add 10.20.0.0/16 dev lo",
		"route add local 198.51.100.0/24 dev lo",
	}
	for _, command := range commands {
		if output, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", command, err, output)
		}
	}
	ready("")
	return awaitEnd()
}

// The addresses of another network are known without going there.
func TestAddresses(t *testing.T) {
	fs := openProcfs(t)
	holder := launch(t, launchOptions{role: role{Do: "addresses"}, flags: unix.CLONE_NEWNET})
	holder.ready()
	addressesOf := func(pid int) []string {
		var addresses []netip.Prefix
		err := openProcess(t, fs, pid).LocalNetworks(func(network netip.Prefix) { addresses = append(addresses, network) })
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(addresses, func(a, b netip.Prefix) int { return stdcmp.Or(a.Addr().Compare(b.Addr()), a.Bits()-b.Bits()) })
		var texts []string
		for _, address := range slices.Compact(addresses) {
			texts = append(texts, address.String())
		}
		return texts
	}
	if diff := cmp.Diff(ownAddresses(), addressesOf(holder.pid)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if own := addressesOf(os.Getpid()); slices.Contains(own, "10.9.8.7/32") {
		t.Errorf("the test's own addresses are %v", own)
	}
}
