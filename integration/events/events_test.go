// SPDX-License-Identifier: Apache-2.0

//go:build integration

// Package events_test puts a proxy that fails between the agent's reporter of Events and a real API server, and counts
// what becomes of each finding: exactly one Event, whatever happens on the way.
package events_test

import (
	"cmp"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
)

// seedEnv gives the random numbers of an earlier run. Requests may come in another order all the same.
const seedEnv = "NSAUDIT_FAULTS_SEED"

func TestFaults(t *testing.T) {
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv(seedEnv), strconv.FormatInt(time.Now().UnixNano(), 10)), 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", seedEnv, err)
	}
	t.Logf("for the same random numbers: %s=%d", seedEnv, seed)
	grant(t)
	total := tally{Faults: make(map[fault]int)}
	t.Run("all", func(t *testing.T) {
		for name, run := range map[string]func(*testing.T, *scene){
			"storm":     testStorm,
			"killed":    testKilled,
			"refresh":   testKilledAtRefresh,
			"end":       testKilledAtEnd,
			"chaos":     testChaos,
			"clock":     testClock,
			"deleted":   testDeleted,
			"namespace": testNamespaceDeleted,
			"foreign":   testForeign,
			"away":      testAway,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, newScene(t, name, seed, &total))
			})
		}
	})
	t.Logf("all together: %s", &total)
	if total.Lost != 0 || total.Duplicate != 0 || total.Findings == 0 {
		t.Errorf("%d findings are lost, and %d events are duplicates", total.Lost, total.Duplicate)
	}
	for _, what := range faults() {
		if total.Faults[what] == 0 {
			t.Errorf("no request met the fault %q", what)
		}
	}
}

// grant gives the reporters the rights that the agent has.
func grant(t *testing.T) {
	t.Helper()
	remove := func() {
		kindtest.Do(t, "delete", "clusterrolebinding", user, "--ignore-not-found")
		kindtest.Do(t, "delete", "clusterrole", user, "--ignore-not-found")
	}
	remove() // What a run that was interrupted has left.
	t.Cleanup(remove)
	kindtest.Do(t, "create", "clusterrole", user, "--verb=create,patch", "--resource=events.events.k8s.io")
	kindtest.Do(t, "create", "clusterrolebinding", user, "--clusterrole="+user, "--user="+user)
}
