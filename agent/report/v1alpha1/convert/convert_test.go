// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"encoding/json"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/reporttest"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

func TestGolden(t *testing.T) {
	t.Parallel()
	scan := FromResult(reporttest.Ruled(reporttest.Snapshot()), Filter{})
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
	result := reporttest.Ruled(reporttest.Snapshot())
	if err := FromResult(result, Filter{}).JSON(&first); err != nil {
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
	for i := range scan.Findings {
		if got, want := scan.Findings[i].Warns(), result.Findings[i].Warns(); got != want {
			t.Errorf("%s: the decoded finding warns %t, want %t", scan.Findings[i].Reason, got, want)
		}
	}
	if diff := cmp.Diff(scan.Summary, v1alpha1.Summarize(scan.Findings, scan.Posture)); diff != "" {
		t.Errorf("the summary (-want +got):\n%s", diff)
	}
}

// TestSummary counts findings with and without a policy, and with a filter.
func TestSummary(t *testing.T) {
	t.Parallel()
	plain := audit.Judge(reporttest.Snapshot())
	allowed := audit.Judge(reporttest.Snapshot())
	for i := range allowed.Findings {
		allowed.Findings[i].Ruling = &audit.Ruling{Rule: "all", Reason: "r", Expected: true}
	}
	tests := map[string]struct {
		result *audit.Result
		filter Filter
		want   v1alpha1.Summary
	}{
		"without a policy":       {plain, Filter{}, v1alpha1.Summary{Findings: 14, Undeclared: 4, UnknownOrigin: 3, Warning: 9}},
		"under a policy":         {reporttest.Ruled(reporttest.Snapshot()), Filter{}, v1alpha1.Summary{Findings: 14, Undeclared: 4, UnknownOrigin: 3, Expected: 4, Warning: 10}},
		"everything is expected": {allowed, Filter{}, v1alpha1.Summary{Findings: 14, Expected: 14}},
		"of one pod":             {reporttest.Ruled(reporttest.Snapshot()), Filter{Pod: "pod-with-host-pid-and-ipc"}, v1alpha1.Summary{Findings: 2, Expected: 2}},
		"of no pod":              {plain, Filter{Pod: "x"}, v1alpha1.Summary{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, FromResult(test.result, test.filter).Summary); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestSeverities checks that the documents know which severities warn as the rest does. One
// that is not known warns.
func TestSeverities(t *testing.T) {
	t.Parallel()
	for _, severity := range audit.Severities() {
		if diff := cmp.Diff(severity.Warns(), v1alpha1.Severity(severity).Warns()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", severity, diff)
		}
	}
	if !v1alpha1.Severity("apocalyptic").Warns() {
		t.Error("a severity that is not known does not warn")
	}
}

// TestExpectedInJSON has what people script against: "select(.expected | not)" keeps what no
// rule expects.
func TestExpectedInJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := FromResult(reporttest.Ruled(reporttest.Snapshot()), Filter{}).JSON(&b); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int)
	for _, finding := range decode(t, &b)["findings"].([]any) {
		fields := finding.(map[string]any)
		expected, is := fields["expected"]
		_, given := fields["severityFrom"]
		switch {
		case is && expected.(map[string]any)["rule"] == "" || is && given:
			t.Errorf("finding %v", fields)
		case is:
			got["expected"]++
		case given:
			got["severity given"]++
		default:
			got["by no rule"]++
		}
	}
	if diff := cmp.Diff(map[string]int{"expected": 4, "severity given": 1, "by no rule": 9}, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
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
		result := audit.Judge(snap)
		for i := range result.Findings {
			result.Findings[i].Ruling = &audit.Ruling{Rule: string(text), Reason: string(text), Expected: i%2 == 0}
		}
		scan := FromResult(result, Filter{})
		// encoding/json would escape them again: as the texts of the table they come as they are.
		for i := range scan.Findings {
			finding := &scan.Findings[i]
			subject := report.Subject{Pod: finding.Pod, Container: finding.Container}
			for _, rule := range []*v1alpha1.PolicyRule{finding.Expected, finding.SeverityFrom} {
				if rule != nil {
					wantClean(t, rule.Rule, rule.Reason)
				}
			}
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

// TestEvidenceOfEachFamily checks that no family of checks lacks a conversion.
func TestEvidenceOfEachFamily(t *testing.T) {
	t.Parallel()
	first := time.Date(2026, 5, 4, 14, 2, 11, 0, time.UTC)
	processes := []audit.ProcessEvidence{{PID: 7, Command: "a\n", Threads: 2, TIDs: []int{8}, Left: true}}
	tests := map[string]struct {
		evidence audit.Evidence
		want     v1alpha1.Evidence
	}{
		"a namespace": {
			&audit.NamespaceEvidence{Kind: nsinspect.UTS, Namespace: nsinspect.ID{Dev: 4, Ino: 9}, JoinedPath: "/x"},
			v1alpha1.Evidence{Kind: "uts", Namespace: v1alpha1.NamespaceID{Dev: 4, Ino: 9}, JoinedPath: "/x"},
		},
		"one of the past": {
			&audit.NamespaceEvidence{
				Kind: nsinspect.Net, Processes: []audit.ProcessEvidence{{PID: 7, Executable: "/a\n"}},
				Past: &audit.PastEvidence{First: first.In(time.FixedZone("", 3600)), Last: first, Count: 2},
			},
			v1alpha1.Evidence{
				Kind: "net", Processes: []v1alpha1.Process{{PID: 7, Executable: `/a\n`}},
				Past: true, First: &first, Last: &first, Count: 2,
			},
		},
		"a hold of a namespace": {
			&audit.NamespaceEvidence{
				Kind: nsinspect.Net, Held: []snapshot.Held{{Kind: nsinspect.Net, Way: snapshot.HeldFile, PID: 7, Command: "a\n", Detail: "3"}}, MoreHeld: 2,
			},
			v1alpha1.Evidence{Kind: "net", Held: []v1alpha1.Hold{{Way: "file", PID: 7, Command: `a\n`, Detail: "3"}}, MoreHeld: 2},
		},
		"ports": {
			&audit.HostPortEvidence{Ports: []audit.PortEvidence{{Protocol: socket.TCP, HostPort: 80}}, MorePorts: 2},
			v1alpha1.Evidence{Kind: "net", Ports: []v1alpha1.Port{{Protocol: "TCP", HostPort: 80}}, MorePorts: 2},
		},
		"the security context": {
			&audit.SecurityEvidence{
				Processes: processes, MoreProcesses: 1, Actual: []string{"uid 0", "a\x1b"}, Declared: []string{"uid 405"}, MoreActual: 3, MoreDeclared: 4,
			},
			v1alpha1.Evidence{
				Processes: []v1alpha1.Process{{PID: 7, Command: `a\n`, Threads: 2, TIDs: []int{8}, LeftCgroup: true}}, MoreProcesses: 1,
				Actual: []string{"uid 0", `a\x1b`}, Declared: []string{"uid 405"}, MoreActual: 3, MoreDeclared: 4,
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, evidence(test.evidence, report.Clean)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestPortsAreNamedAlike has a port named for an Event to be found again, and for people.
func TestPortsAreNamedAlike(t *testing.T) {
	t.Parallel()
	for _, port := range []audit.PortEvidence{
		{Protocol: socket.TCP, HostPort: 80},
		{Protocol: socket.UDP, HostPort: 8000, LastPort: 8010},
		{Protocol: socket.TCP, HostPort: 80, HostAddress: netip.MustParseAddr("127.0.0.1")},
		{Protocol: socket.TCP, HostPort: 80, HostAddress: netip.MustParseAddr("::1")},
		{Protocol: socket.TCP, HostPort: 80, HostAddress: netip.MustParseAddr("::ffff:127.0.0.1")},
		{Protocol: socket.Raw, HostPort: 89},
	} {
		ports := &audit.HostPortEvidence{Ports: []audit.PortEvidence{port}}
		document := evidence(ports, report.Clean)
		if diff := cmp.Diff(ports.Key(), strconv.Quote(report.Evidence(&document, report.Limits{Ports: 1}))); diff != "" {
			t.Errorf("-the Event's +the report's:\n%s", diff)
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
