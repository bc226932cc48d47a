// SPDX-License-Identifier: Apache-2.0

//go:build integration

// Package hostports_test looks at the rules that forward host ports, made by the programs that
// make them on nodes: the CNI plugin portmap, nft and iptables. Each test has a network
// namespace of its own, which stands for the host's; the machine's rules are never touched.
package hostports_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/nsaudit/nsaudit/integration/internal/reexec"
)

// The roles of the test binary.
const (
	// withoutNetAdminRole has every capability but CAP_NET_ADMIN, and prints the error that it gets.
	withoutNetAdminRole = "without-net-admin"
	// printForwardsRole prints what it reads of its own network.
	printForwardsRole = "print-forwards"
)

func TestMain(m *testing.M) {
	reexec.Play(reexec.Roles{
		withoutNetAdminRole: func([]string) error { return readWithoutNetAdmin() },
		printForwardsRole:   func([]string) error { return printForwards() },
	})
	goleak.VerifyTestMain(m)
}
