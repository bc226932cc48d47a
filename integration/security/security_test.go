// SPDX-License-Identifier: Apache-2.0

//go:build integration

package security_test

import (
	"slices"
	"testing"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

// TestSecurityContexts has a pod for each row, looks at all of them at once, and then once more while two other pods do
// what they can to make that expensive.
func TestSecurityContexts(t *testing.T) {
	n := startNode(t)
	t.Logf("containerd %s", n.Version())
	rows := slices.Concat(userRows(n), rootRows(), capabilityRows(), filterRows(t), namespaceRows(n), fileRows(), programRows())
	t.Run("set up", func(t *testing.T) {
		for i := range rows {
			t.Run(rows[i].name, func(t *testing.T) {
				t.Parallel()
				rows[i].start(t, n)
			})
		}
	})
	if t.Failed() {
		return
	}
	scan, took := n.scan(t)
	t.Logf("a scan of %d processes took %s", scan.Coverage.Processes, took)
	judge(t, rows, scan)

	attackers := startHostile(t, n)
	scan, took = n.scan(t)
	t.Logf("a scan of %d processes took %s", scan.Coverage.Processes, took)
	t.Run("row 41: what it costs", func(t *testing.T) { judgeHostile(t, attackers, scan, took) })
	t.Run("beside row 41", func(t *testing.T) { judge(t, rows, scan) })
}

func judge(t *testing.T, rows []row, scan *v1alpha1.Scan) {
	t.Helper()
	for i := range rows {
		t.Run(rows[i].name, func(t *testing.T) { rows[i].judge(t, scan) })
	}
}
