// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report/reporttest"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

func TestGolden(t *testing.T) {
	t.Parallel()
	scan := FromResult(audit.Judge(reporttest.Snapshot()), Filter{})
	for name, encode := range map[string]func(io.Writer) error{"scan.json": scan.JSON, "scan.yaml": scan.YAML} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := encode(&b); err != nil {
				t.Fatal(err)
			}
			reporttest.Golden(t, "testdata/"+name, b.String())
		})
	}
}

// TestDeclarers checks that the documents know who counts as a declarer as the rest does.
func TestDeclarers(t *testing.T) {
	t.Parallel()
	for _, by := range inventory.Declarers() {
		if diff := cmp.Diff(by.Declared(), v1alpha1.Declarer(by).Declared()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", by, diff)
		}
	}
}
