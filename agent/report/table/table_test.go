// SPDX-License-Identifier: Apache-2.0

package table

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report/reporttest"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1/convert"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

func document(snap *snapshot.Snapshot, filter convert.Filter) *v1alpha1.Scan {
	return convert.FromResult(audit.Judge(snap), filter)
}

// manyRules has more rules than are listed, each of which expects one finding.
func manyRules() *audit.Result {
	snap := reporttest.Snapshot()
	shared := snap.Containers[0]
	snap.Containers = nil
	for i := range maxRuleLines + 2 {
		shared.ID = fmt.Sprint(i)
		snap.Containers = append(snap.Containers, shared)
	}
	result := audit.Judge(snap)
	for i := range result.Findings {
		result.Findings[i].Ruling = &audit.Ruling{Rule: fmt.Sprintf("rule-%02d", i), Reason: "One of many.", Expected: true}
	}
	return result
}

func TestGolden(t *testing.T) {
	t.Parallel()
	scan := document(reporttest.Snapshot(), convert.Filter{})
	empty := document(&snapshot.Snapshot{Host: reporttest.Snapshot().Host, Inventory: inventory.Inventory{Source: inventory.FromCgroups}}, convert.Filter{})
	blind := document(&snapshot.Snapshot{Host: nsinspect.HostReference{Reference: nsinspect.ByNone}}, convert.Filter{})
	ruled := convert.FromResult(reporttest.Ruled(reporttest.Snapshot()), convert.Filter{})
	expected := convert.FromResult(reporttest.Ruled(reporttest.Snapshot()), convert.Filter{Pod: "pod-with-host-pid-and-ipc"})
	rules := convert.FromResult(manyRules(), convert.Filter{})
	rules.Coverage.Unknown = nil
	tests := map[string]struct {
		scan    *v1alpha1.Scan
		options Options
	}{
		"scan.txt":       {scan, Options{}},
		"scan-wide.txt":  {scan, Options{Wide: true, NoHeaders: true}},
		"scan-color.txt": {scan, Options{Color: true}},
		"ruled.txt":      {ruled, Options{Color: true}},
		"ruled-all.txt":  {ruled, Options{ShowExpected: true}},
		"ruled-wide.txt": {ruled, Options{ShowExpected: true, Wide: true}},
		"expected.txt":   {expected, Options{}},
		"rules.txt":      {rules, Options{}},
		"filtered.txt":   {document(reporttest.Snapshot(), convert.Filter{Namespace: "default", Pod: "normal"}), Options{Filtered: true}},
		"empty.txt":      {empty, Options{}},
		"blind.txt":      {blind, Options{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := Write(&b, test.scan, test.options); err != nil {
				t.Fatal(err)
			}
			reporttest.Golden(t, "testdata/"+name, b.String())
		})
	}
}
