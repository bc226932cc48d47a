//go:build integration

// Package hostports_test looks at the rules that forward host ports, made by the programs that
// make them on nodes: the CNI plugin portmap, nft and iptables. Each test has a network
// namespace of its own, which stands for the host's; the machine's rules are never touched.
package hostports_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// roleEnv is set in a process that the test binary is started again as, to what it does.
const roleEnv = "NSAUDIT_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(printEnv) != "" {
		if err := printForwards(); err != nil {
			fmt.Println("error:", err)
		}
		os.Exit(0)
	}
	if role := os.Getenv(roleEnv); role != "" {
		if err := play(role); err != nil {
			fmt.Println("error:", err)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
