// SPDX-License-Identifier: Apache-2.0

//go:build integration

package security_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// startHostile starts the pods of row 41: each costs whoever reads what the kernel shows of them as much as it can.
func startHostile(t *testing.T, n *node) []row {
	t.Helper()
	const groups = 50
	rows := []row{
		{
			name: "row 41: 65536 groups", command: []string{"/bin/act", "start:50", "/bin/act", "many-groups:65536"},
			shows: func(threads []thread) bool { return len(pids(threads)) == 1+groups },
		},
		{
			name: "row 41: 32768 mounts", security: runtimetest.Add("SYS_ADMIN"), command: []string{"/bin/act", "mounts:15"},
		},
	}
	for i := range rows {
		rows[i].start(t, n)
	}
	return rows
}

func judgeHostile(t *testing.T, rows []row, scan *v1alpha1.Scan, took time.Duration) {
	t.Helper()
	const limit = 10 * time.Second
	if took > limit {
		t.Errorf("the scan took %s, want at most %s", took, limit)
	}
	for i := range rows {
		unknown := false
		for _, u := range scan.Coverage.Unknown {
			unknown = unknown || u.Cause == "limit" && strings.Contains(u.Container, rows[i].running.Spec.Name)
		}
		if !unknown {
			t.Errorf("%s is not unknown: %+v", rows[i].name, scan.Coverage.Unknown)
		}
		if found := reasons(scan.Findings, rows[i].running.Spec.Name); len(found) > 0 {
			t.Errorf("%s: findings %v", rows[i].name, found)
		}
	}
}
