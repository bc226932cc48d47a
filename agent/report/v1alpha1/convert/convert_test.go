// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/reporttest"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/snapshot"
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

// TestDecode has a program that decodes a document: nothing of it is lost.
func TestDecode(t *testing.T) {
	t.Parallel()
	var first, second bytes.Buffer
	if err := FromResult(audit.Judge(reporttest.Snapshot()), Filter{}).JSON(&first); err != nil {
		t.Fatal(err)
	}
	var scan v1alpha1.Scan
	if err := json.Unmarshal(first.Bytes(), &scan); err != nil {
		t.Fatal(err)
	}
	if err := scan.JSON(&second); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.String(), second.String()); diff != "" {
		t.Errorf("the document after it was decoded (-want +got):\n%s", diff)
	}
}

// FuzzFromResult feeds hostile snapshots: no control character of one comes through.
func FuzzFromResult(f *testing.F) {
	var b bytes.Buffer
	if err := snapshot.Encode(&b, reporttest.Snapshot()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		snap, err := snapshot.Decode(bytes.NewReader(text))
		if err != nil {
			return
		}
		scan := FromResult(audit.Judge(snap), Filter{})
		// encoding/json would escape them again: as the texts of the table they come as they are.
		for i := range scan.Findings {
			finding := &scan.Findings[i]
			subject := report.Subject{Pod: finding.Pod, Container: finding.Container}
			wantClean(t, subject.OnNode(), report.Note(finding, &v1alpha1.Declaration{}, report.Limits{Processes: 9, Ports: 99}))
		}
		for _, u := range scan.Coverage.Unknown {
			wantClean(t, u.Container, string(u.Cause), u.Reason)
		}
		wantClean(t, scan.Node, string(scan.Host.Reference), scan.Inventory.Source, scan.Inventory.Address, scan.Inventory.Version)
	})
}

func wantClean(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("not fit to be shown: %q", text)
		}
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
