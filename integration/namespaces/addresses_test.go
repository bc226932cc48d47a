// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
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
	return []string{"10.9.8.7", "192.0.2.33", "fd00:9::7"}
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
	addresses, err := openProcess(t, fs, holder.pid).Addresses()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, address := range addresses {
		got = append(got, address.String())
	}
	if diff := cmp.Diff(ownAddresses(), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	own, err := openProcess(t, fs, os.Getpid()).Addresses()
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(own, func(a netip.Addr) bool { return slices.Contains(ownAddresses(), a.String()) }) {
		t.Errorf("the test's own addresses are %v", own)
	}
}
