// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report/reporttest"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exporter is a registry with the node's metrics and the process's in it.
type exporter struct {
	*Collector

	registry *prometheus.Registry
	logger   *slog.Logger
}

func newExporter(t *testing.T, build Build, checks ...string) *exporter {
	t.Helper()
	if len(checks) == 0 {
		checks = []string{"default"}
	}
	selection, err := audit.ParseSelection(checks)
	if err != nil {
		t.Fatal(err)
	}
	e := &exporter{registry: prometheus.NewRegistry(), logger: slog.New(slog.DiscardHandler)}
	if e.Collector, err = Register(e.registry, selection); err != nil {
		t.Fatal(err)
	}
	if err := RegisterProcess(e.registry, build); err != nil {
		t.Fatal(err)
	}
	return e
}

func full() Build { return Build{Version: "v1.2.3", Revision: "0123abc", GoVersion: "go1.26"} }

// snapshot has a host and the containers.
func snap(containers ...snapshot.Container) *snapshot.Snapshot {
	return &snapshot.Snapshot{Host: nstest.Host(), Containers: containers, Coverage: snapshot.Coverage{Processes: 312, Threads: 70}}
}

// container shares the kinds with the host.
func container(id string, declared inventory.Declaration, kinds ...nsinspect.Kind) snapshot.Container {
	return snapshot.Container{
		Container: inventory.Container{ID: id, RuntimeNamespace: "k8s.io", Declared: declared},
		Processes: []snapshot.Process{{PID: 10, Groups: []nsinspect.ThreadGroup{nstest.Sharing(kinds...)}}},
	}
}

// podContainer is a container of a pod of the namespace default.
func podContainer(pod, name, id string, declared inventory.Declaration, kinds ...nsinspect.Kind) snapshot.Container {
	c := container(id, declared, kinds...)
	c.Name, c.Pod = name, &inventory.Pod{Namespace: "default", Name: pod, UID: "uid-" + pod}
	return c
}

func byPod(kinds ...nsinspect.Kind) inventory.Declaration {
	return inventory.Declaration{By: inventory.ByPod, Host: kinds}
}

// goldenNode has a finding of each declarer, a pause container, and gaps, under a policy: a rule
// expects a finding, and another one gives one its severity.
func goldenNode() *audit.Result {
	outside := container("web-1", inventory.Declaration{By: inventory.BySpec, Host: []nsinspect.Kind{nsinspect.Net}}, nsinspect.Net)
	outside.RuntimeNamespace = "moby"
	foreign := snapshot.Container{Container: inventory.FromCgroup(runtimes.Ref{ID: "cafe", Runtime: "podman"}, "not known")}
	foreign.Processes = container("", byPod(), nsinspect.IPC).Processes
	unnamed := snapshot.Container{Container: inventory.FromCgroup(runtimes.Ref{ID: "beef", PodUID: "uid", Runtime: "cri-containerd"}, "not known")}
	unnamed.Processes = container("", byPod(), nsinspect.PID).Processes
	pause := podContainer("web", "", "b0b0", byPod(), nsinspect.Net)
	pause.Sandbox = true
	hung := podContainer("slow", "main", "dada", byPod())
	hung.Unread.Gaps = []snapshot.Gap{{Cause: snapshot.CauseRuntime, Detail: "its shim does not answer"}}
	forwarded := podContainer("kubia", "main", "9000", byPod())
	forwarded.Declared.Ports = []inventory.Port{{Protocol: socket.TCP, HostPort: 9000}, {Protocol: socket.UDP, HostPort: 53}}
	forwarded.Forwards = []snapshot.Forward{{Forward: nstest.Forward(9000)}}
	forwarded.Sockets = []snapshot.Socket{{Socket: nstest.Listener(8081)}}
	s := snap(
		podContainer("proxy", "main", "aaaa", byPod(nsinspect.Net), nsinspect.Net),
		outside, foreign, unnamed, pause, hung, forwarded,
	)
	s.Ports = &snapshot.PortCoverage{Sockets: 12, Forwards: 1, Rules: 31}
	s.Coverage.Gaps = []snapshot.Gap{{Cause: snapshot.CauseRead, Detail: "something broke"}}
	result := audit.Judge(s)
	for i := range result.Findings {
		finding := &result.Findings[i]
		if pod := finding.Container.Pod; pod != nil && pod.Name == "proxy" {
			finding.Ruling = &audit.Ruling{Rule: "proxy", Reason: "It is one.", Expected: true}
		}
		if finding.Verdict == audit.Bound {
			finding.Ruling, finding.Severity = &audit.Ruling{Rule: "ports", Reason: "There should be none."}, audit.High
		}
	}
	result.Rules = []audit.RuleUse{{Rule: "proxy", Findings: 1}, {Rule: "ports"}}
	return new(audit.Tracker).Next(result)
}

// scrape returns the nsaudit lines of the page.
func scrape(t *testing.T, e *exporter) string {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(e.registry, e.logger).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	var b strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE "), "nsaudit_") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	t.Parallel()
	seen := newExporter(t, full())
	seen.Publish(goldenNode())
	blind := newExporter(t, Build{})
	blind.Publish(audit.Judge(&snapshot.Snapshot{Host: nsinspect.HostReference{Reference: nsinspect.ByNone}}))
	for name, e := range map[string]*exporter{
		"before.txt": newExporter(t, full()),
		"seen.txt":   seen,
		"blind.txt":  blind,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reporttest.Golden(t, "testdata/"+name, scrape(t, e))
		})
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	e := newExporter(t, full())
	e.Publish(goldenNode())
	problems, err := testutil.GatherAndLint(e.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("problems %v, error %v", problems, err)
	}
}

// TestAgentsOwn checks that the page has what every Go program's has.
func TestAgentsOwn(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"go_goroutines", "process_cpu_seconds_total"} {
		if count, err := testutil.GatherAndCount(newExporter(t, Build{}).registry, name); err != nil || count != 1 {
			t.Errorf("%d series of %s, error %v", count, name, err)
		}
	}
}

// TestOpenMetrics checks the format that Prometheus asks for.
func TestOpenMetrics(t *testing.T) {
	t.Parallel()
	e := newExporter(t, full())
	e.Publish(goldenNode())
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
	w := httptest.NewRecorder()
	Handler(e.registry, e.logger).ServeHTTP(w, r)
	if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "application/openmetrics-text") {
		t.Errorf("content type %q", got)
	}
	if body := w.Body.String(); !strings.HasSuffix(body, "# EOF\n") || !strings.Contains(body, "nsaudit_findings{") {
		t.Errorf("not OpenMetrics:\n%s", body)
	}
}

// TestRace scrapes while everything changes.
func TestRace(t *testing.T) {
	t.Parallel()
	e := newExporter(t, full())
	nodes := []*audit.Result{goldenNode(), audit.Judge(snap())}
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 50 {
				e.Publish(nodes[(worker+i)%len(nodes)])
			}
		})
		all.Go(func() {
			for range 20 {
				if _, err := e.registry.Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	e.Publish(goldenNode())
	if page := scrape(t, e); !slices.Contains(strings.Split(page, "\n"), "nsaudit_processes 312") {
		t.Errorf("not the latest report:\n%s", page)
	}
}

// TestRegisterTwice has a registry that has the metrics already.
func TestRegisterTwice(t *testing.T) {
	t.Parallel()
	e := newExporter(t, Build{})
	if _, err := Register(e.registry, audit.DefaultSelection()); err == nil {
		t.Error("the node's metrics were registered twice")
	}
	if err := RegisterProcess(e.registry, Build{}); err == nil {
		t.Error("the process's metrics were registered twice")
	}
}
