// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

// gather returns the series of a metric: its labels' values in the order of their names,
// and its value.
func gather(t *testing.T, e *exporter, name string) []string {
	t.Helper()
	families, err := e.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var series []string
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			var values []string
			for _, pair := range metric.GetLabel() {
				values = append(values, pair.GetValue())
			}
			value := metric.GetGauge().GetValue() + metric.GetCounter().GetValue() // It is one of them.
			series = append(series, fmt.Sprintf("%s %v", strings.Join(values, ","), value))
		}
	}
	return series
}

// TestSeriesEnd checks that a finding's series ends with it, while the counts stay.
func TestSeriesEnd(t *testing.T) {
	t.Parallel()
	e := newExporter(t, Build{})
	e.Publish(audit.Judge(snap(podContainer("p", "main", "a", byPod(), nsinspect.Net))))
	if got := gather(t, e, "nsaudit_finding_info"); len(got) != 1 {
		t.Fatalf("series %q", got)
	}
	e.Publish(audit.Judge(snap(podContainer("p", "main", "a", byPod()))))
	if got := gather(t, e, "nsaudit_finding_info"); len(got) != 0 {
		t.Errorf("the finding's series is still there: %q", got)
	}
	if got := gather(t, e, "nsaudit_findings"); len(got) != len(audit.DefaultSelection().AnnouncedKinds()) {
		t.Errorf("%d series of nsaudit_findings, want one of each kind, %d", len(got), len(audit.DefaultSelection().AnnouncedKinds()))
	}
}

// TestSeriesOfChosenChecks checks that only checks that are on have a series at 0, and that those of
// the default are as few as docs/metrics.md says.
func TestSeriesOfChosenChecks(t *testing.T) {
	t.Parallel()
	e := newExporter(t, Build{}, "HostIPC", "UndeclaredRootUser", "RunsAsRoot")
	e.Publish(audit.Judge(snap()))
	kinds := []string{
		"HostIPC,nobody,high,Undeclared 0", "HostIPC,nobody,medium,Held 0", "HostIPC,pod,info,Shared 0", "HostIPC,pod,low,NotInEffect 0", "HostIPC,spec,info,Shared 0",
		"HostIPC,spec,low,NotInEffect 0", "HostIPC,unknown,info,NotInEffect 0", "HostIPC,unknown,low,Held 0", "HostIPC,unknown,medium,Shared 0",
		"HostIPC,unknown,medium,Undeclared 0", "RootUser,nobody,high,Undeclared 0",
	}
	for name, want := range map[string][]string{
		"nsaudit_findings": kinds, "nsaudit_findings_begun_total": kinds, "nsaudit_findings_ended_total": kinds,
		"nsaudit_posture_findings": {"RunsAsRoot 0"},
	} {
		got := gather(t, e, name)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if n := len(audit.DefaultSelection().AnnouncedKinds()); n >= 90 {
		t.Errorf("%d kinds", n)
	}
}

// TestCap checks that nothing undeclared is left out as long as anything else can be.
func TestCap(t *testing.T) {
	t.Parallel()
	var containers []snapshot.Container
	for i := range 20 {
		containers = append(containers, podContainer(fmt.Sprintf("a-%02d", i), "main", fmt.Sprint(i), byPod(nsinspect.Net), nsinspect.Net))
	}
	for _, id := range []string{"x", "y"} {
		containers = append(containers, podContainer("z", id, id, byPod(), nsinspect.Net))
	}
	e := newExporter(t, Build{})
	e.limit = 3
	e.Publish(audit.Judge(snap(containers...)))
	got := strings.Join(gather(t, e, "nsaudit_finding_info"), "\n")
	if strings.Count(got, "UndeclaredHostNetwork") != 2 || strings.Count(got, "HostNetworkShared") != 1 {
		t.Errorf("series:\n%s", got)
	}
	if got := gather(t, e, "nsaudit_finding_info_omitted"); len(got) != 1 || got[0] != " 19" {
		t.Errorf("omitted %q", got)
	}
	if got := strings.Join(gather(t, e, "nsaudit_findings"), "\n"); !strings.Contains(got, "HostNetwork,pod,info,Shared 20") {
		t.Errorf("the counts have no cap:\n%s", got)
	}
}

// nonZero returns the series that are not 0.
func nonZero(series []string) []string {
	return slices.DeleteFunc(series, func(s string) bool { return strings.HasSuffix(s, " 0") })
}

// TestExpected has a rule for a container in the host's network with a port there: its series
// is the only one.
func TestExpected(t *testing.T) {
	t.Parallel()
	proxy := podContainer("proxy", "main", "a", byPod(nsinspect.Net), nsinspect.Net)
	proxy.Sockets = []snapshot.Socket{{Socket: nstest.Listener(10249)}}
	s := snap(proxy)
	s.Ports = &snapshot.PortCoverage{Sockets: 1}
	result := audit.Judge(s)
	for i := range result.Findings {
		result.Findings[i].Ruling = &audit.Ruling{Rule: "proxy", Reason: "r", Expected: true}
	}
	result.Rules = []audit.RuleUse{{Rule: "self"}, {Rule: "proxy", Findings: len(result.Findings)}, {Rule: "late", Findings: 3}, {Rule: "later", Findings: 4}}
	e := newExporter(t, Build{})
	e.limit = 2
	e.Publish(new(audit.Tracker).Next(result))
	for name, want := range map[string][]string{
		"nsaudit_expected_findings":         {"proxy 2", "self 0"},
		"nsaudit_expected_findings_omitted": {" 7"},
		"nsaudit_finding_info":              nil,
		"nsaudit_finding_info_omitted":      {" 0"},
		"nsaudit_host_port_info":            nil,
		"nsaudit_host_port_info_omitted":    {" 0"},
	} {
		if diff := cmp.Diff(want, gather(t, e, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, name := range []string{"nsaudit_findings", "nsaudit_findings_begun_total"} {
		if got := nonZero(gather(t, e, name)); len(got) > 0 {
			t.Errorf("%s counts what is expected: %q", name, got)
		}
	}
}

// TestBegunAndEnded follows the counters from the start of an agent on.
func TestBegunAndEnded(t *testing.T) {
	t.Parallel()
	node := func(containers ...snapshot.Container) *audit.Result {
		s := snap(containers...)
		s.Inventory.Source = inventory.FromContainerd
		return audit.Judge(s)
	}
	intruder := podContainer("p", "main", "a", byPod(), nsinspect.PID)
	steady := podContainer("q", "main", "b", byPod(nsinspect.Net), nsinspect.Net)
	expected := node(steady)
	expected.Findings[0].Ruling = &audit.Ruling{Rule: "r", Reason: "r", Expected: true}
	const (
		undeclared = "HostPID,nobody,critical,Undeclared "
		declared   = "HostNetwork,pod,info,Shared "
	)
	e := newExporter(t, Build{})
	var tracker audit.Tracker
	for _, step := range []struct {
		what         string
		result       *audit.Result
		begun, ended []string
	}{
		{what: "before a scan"},
		{"what is there at the start", node(steady), []string{declared + "1"}, nil},
		{"something begins", node(steady, intruder), []string{declared + "1", undeclared + "1"}, nil},
		{"it ends", node(steady), []string{declared + "1", undeclared + "1"}, []string{undeclared + "1"}},
		{"it comes back", node(steady, intruder), []string{declared + "1", undeclared + "2"}, []string{undeclared + "1"}},
		{"one is expected, one ends", expected, []string{declared + "1", undeclared + "2"}, []string{declared + "1", undeclared + "2"}},
	} {
		if step.result != nil {
			e.Publish(tracker.Next(step.result))
		}
		for name, want := range map[string][]string{"nsaudit_findings_begun_total": step.begun, "nsaudit_findings_ended_total": step.ended} {
			series := gather(t, e, name)
			if len(series) != len(audit.DefaultSelection().AnnouncedKinds()) {
				t.Errorf("%s: %d series of %s, want one of each kind", step.what, len(series), name)
			}
			if diff := cmp.Diff(want, nonZero(series), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", step.what, name, diff)
			}
		}
	}
}

// TestHostileLabels gives containers texts that break formats, and the same ones.
func TestHostileLabels(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 3000)
	texts := []string{"\xff\xfe", "a\nb 1\n# HELP x", "\"} 7", "\x1b[31m", "", "\u202e", long, "a\x00b", long + "2"}
	var containers []snapshot.Container
	for i, text := range texts {
		c := podContainer(text, text, text, byPod(), nsinspect.Net, nsinspect.PID)
		c.Pod.Namespace, c.RuntimeNamespace = text, fmt.Sprint(i)
		outside := container(text, inventory.Declaration{By: inventory.Declarer(text)}, nsinspect.IPC)
		outside.RuntimeNamespace = text
		containers = append(containers, c, c, outside, outside)
	}
	s := snap(containers...)
	s.Coverage.Gaps = []snapshot.Gap{{Cause: "\xff"}, {Cause: snapshot.Cause(long)}}
	s.Host.Reference = "\xff"
	e := newExporter(t, Build{Version: "\xff"})
	node := audit.Judge(s)
	for i := range node.Findings {
		node.Findings[i].DeclaredBy = node.Findings[i].Container.Declared.By
	}
	for _, text := range texts {
		node.Rules = append(node.Rules, audit.RuleUse{Rule: text, Findings: 1}, audit.RuleUse{Rule: text})
	}
	e.Publish(new(audit.Tracker).Next(node))

	info := gather(t, e, "nsaudit_finding_info")
	omitted := gather(t, e, "nsaudit_finding_info_omitted")
	if want := fmt.Sprintf(" %d", len(node.Findings)-len(info)); len(info) == 0 || omitted[0] != want {
		t.Errorf("%d series of %d findings, omitted %q", len(info), len(node.Findings), omitted)
	}
	if got := gather(t, e, "nsaudit_expected_findings"); len(got) < 2 {
		t.Errorf("series of expected findings: %q", got)
	}
	for line := range strings.Lines(scrape(t, e)) {
		if !utf8.ValidString(line) || strings.ContainsAny(line, "\x1b\x00\u202e") || len(line) > 8*maxLabel {
			t.Errorf("line %q", line)
		}
	}
}

func TestLabel(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"short":         {"main", "main"},
		"as long as ok": {strings.Repeat("a", 256), strings.Repeat("a", 256)},
		"one too many":  {strings.Repeat("a", 257), strings.Repeat("a", 253) + "…"},
		"inside a rune": {"a" + strings.Repeat("ä", 200), "a" + strings.Repeat("ä", 126) + "…"},
		"unprintable":   {"a\n\xff", `a\n\xff`},
	}
	for name, test := range tests {
		if got := label(test.text); got != test.want || len(got) > maxLabel {
			t.Errorf("%s: label(%q) = %q, %d bytes", name, test.text, got, len(got))
		}
	}
}

// broken is a collector that fails.
type broken struct{ desc *prometheus.Desc }

func (b broken) Describe(ch chan<- *prometheus.Desc) { ch <- b.desc }

func (b broken) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(b.desc, errors.New("broken\nin two lines"))
}

// TestPartialScrape checks that one metric that fails costs no other, and is logged.
func TestPartialScrape(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	e := newExporter(t, full())
	e.logger = slog.New(slog.NewTextHandler(&log, nil))
	e.registry.MustRegister(broken{prometheus.NewDesc("nsaudit_broken", "", nil, nil)})
	e.Publish(goldenNode())
	if page := scrape(t, e); !strings.Contains(page, "nsaudit_containers 7") {
		t.Errorf("page:\n%s", page)
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "broken") {
		t.Errorf("log: %q", log.String())
	}
	w := httptest.NewRecorder()
	Handler(e.registry, e.logger).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(w.Body.String(), `promhttp_metric_handler_errors_total{cause="gathering"} 1`) {
		t.Errorf("the failed scrape was not counted:\n%s", w.Body)
	}
}

// TestPortsAreCapped has more ports than may have a series.
func TestPortsAreCapped(t *testing.T) {
	t.Parallel()
	c := podContainer("p", "main", "a", byPod())
	for port := uint16(8000); port < 8100; port++ {
		c.Sockets = append(c.Sockets, snapshot.Socket{Socket: nstest.Listener(port)})
	}
	s := snap(c)
	s.Ports = &snapshot.PortCoverage{Sockets: 100}
	e := newExporter(t, Build{})
	e.limit = 10
	e.Publish(audit.Judge(s))
	if got := gather(t, e, "nsaudit_host_port_info"); len(got) != 10 {
		t.Errorf("%d series, want the cap", len(got))
	}
	if got := gather(t, e, "nsaudit_host_port_info_omitted"); len(got) != 1 || got[0] != " 90" {
		t.Errorf("omitted: %q", got)
	}
}
