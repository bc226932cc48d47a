// SPDX-License-Identifier: Apache-2.0

//go:build integration

// Package attacks_test plays attackers that know how nsaudit works against the real nsaudit, on a real containerd, and
// beside them programs that look like attackers and are none.
//
// A scenario is a few lines in the file of its class: the container, the steps that its process takes, and what is to be
// said of that container. All others are to be left alone. See scenario.
package attacks_test

import (
	"flag"
	"os"
	"testing"

	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// only limits the scenarios to those whose class and name match.
var only = flag.String("only", "", "play only the scenarios that match this expression, such as transit/flap")

func TestMain(m *testing.M) {
	runtimetest.Program{Roles: machineRoles(), Steps: steps(), Last: lastSteps()}.PlayRole()
	flag.Parse()
	// containerd is waited for most of the time.
	_ = flag.Set("test.parallel", "6")
	os.Exit(onOwnMachine(m.Run))
}
