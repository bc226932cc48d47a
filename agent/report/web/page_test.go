// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report/reporttest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

// snapshot has a host and the containers.
func snap(containers ...snapshot.Container) *snapshot.Snapshot {
	return &snapshot.Snapshot{
		Node: "node-1", Time: time.Date(2026, 11, 23, 20, 45, 0, 0, time.UTC),
		Host: nstest.Host(), Containers: containers, Coverage: snapshot.Coverage{Processes: 312},
	}
}

// container is in the host's network, with one process of each of the names.
func container(pod, name string, declared inventory.Declaration, commands ...string) snapshot.Container {
	groups := []nsinspect.ThreadGroup{nstest.Sharing(nsinspect.Net)}
	c := snapshot.Container{Container: inventory.Container{
		ID: name + "-id", RuntimeNamespace: "k8s.io", Name: name, Declared: declared,
		Pod: &inventory.Pod{Namespace: "default", Name: pod, UID: "uid-" + pod},
	}}
	for i, command := range commands {
		c.Processes = append(c.Processes, snapshot.Process{PID: 11 + i, Command: command, Groups: groups})
	}
	return c
}

func declared() inventory.Declaration {
	return inventory.Declaration{By: inventory.ByPod, Host: []nsinspect.Kind{nsinspect.Net}}
}

func undeclared() inventory.Declaration { return inventory.Declaration{By: inventory.ByPod} }

// hostileSnapshot has names that mean something to a browser or to a terminal.
func hostileSnapshot() *snapshot.Snapshot {
	script := `<script>alert("x")</script>`
	pause := container("b", "", undeclared(), "x")
	pause.Sandbox = true
	outside := container("", "web", undeclared(), "nginx")
	outside.Pod, outside.RuntimeNamespace = nil, "moby"
	unnamed := container("", "", undeclared(), "x")
	hung := container("slow\x1b[31m", "main", undeclared())
	hung.Unread.Gaps = []snapshot.Gap{{Cause: snapshot.CauseRuntime, Detail: script + "\nsecond line"}}
	s := snap(
		container("a", "main", declared(), "sleep"),
		container(script, "<img src=x onerror=y>", undeclared(), "</td><b>", "a\n\u202e\xff", "third", "fourth"),
		pause, outside, unnamed, hung,
	)
	s.Node = `node"><script>`
	s.Coverage.Gaps = []snapshot.Gap{{Cause: snapshot.CauseRead, Detail: "process 77: something broke"}}
	return s
}

// fullSnapshot has more of everything than the page shows.
func fullSnapshot() *snapshot.Snapshot {
	var containers []snapshot.Container
	for i := range maxRows + 7 {
		containers = append(containers, container(fmt.Sprintf("pod-%03d", i), "main", declared(), "sleep"))
	}
	containers = append(containers, container("zzz", strings.Repeat("long", 1000), undeclared(), "sh"))
	s := snap(containers...)
	for i := range maxUnknown + 3 {
		s.Coverage.Gaps = append(s.Coverage.Gaps, snapshot.Gap{Cause: snapshot.CauseDenied, Detail: fmt.Sprintf("process %d", i)})
	}
	return s
}

// get asks a server that knows a result, or none yet.
func get(t *testing.T, config Config, result *audit.Result, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	if config.Metrics == nil {
		config.Metrics = http.NotFoundHandler()
	}
	w := httptest.NewRecorder()
	page := NewPage()
	page.Publish(result)
	config.Page = page
	New(config).server.Handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// quiet is a node of which the policy expects everything, by a rule with a hostile name.
func quiet() *audit.Result {
	result := audit.Judge(snap(container("a", "main", declared(), "sleep")))
	result.Findings[0].Ruling = &audit.Ruling{Rule: "<script>x", Reason: "</summary>\x1b[31m", Expected: true}
	return result
}

func TestPageGolden(t *testing.T) {
	t.Parallel()
	blind := snap()
	blind.Host = nsinspect.HostReference{Reference: nsinspect.ByNone}
	partial := snap()
	partial.Coverage.Gaps = hostileSnapshot().Coverage.Gaps
	for name, node := range map[string]*audit.Result{
		"before.html":  nil,
		"clean.html":   audit.Judge(snap()),
		"partial.html": audit.Judge(partial),
		"blind.html":   audit.Judge(blind),
		"hostile.html": audit.Judge(hostileSnapshot()),
		"ruled.html":   reporttest.Ruled(reporttest.Snapshot()),
		"quiet.html":   quiet(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := get(t, Config{}, node, http.MethodGet, "/")
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("status %d, %v", w.Code, w.Header())
			}
			reporttest.Golden(t, "testdata/"+name, w.Body.String())
		})
	}
}

// TestPageCaps checks that the page stays small, and that the undeclared comes first.
func TestPageCaps(t *testing.T) {
	t.Parallel()
	node := audit.Judge(fullSnapshot())
	page := get(t, Config{}, node, http.MethodGet, "/").Body.Bytes()
	if got := bytes.Count(page, []byte("<tr><td>")); got != maxRows {
		t.Errorf("%d rows, want %d", got, maxRows)
	}
	if got := bytes.Count(page, []byte("<li>")); got != maxUnknown {
		t.Errorf("%d unknown, want %d", got, maxUnknown)
	}
	for _, want := range []string{"<p>… and 8 more.</p>", "<p>… and 3 more.</p>", "508 findings: 1 undeclared, 0 of unknown origin, 0 expected", "clean: 23<"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if first := bytes.Index(page, []byte("default/zzz")); first < 0 || first > bytes.Index(page, []byte("default/pod-")) {
		t.Error("what is undeclared does not come first")
	}
	if bytes.Contains(page, bytes.Repeat([]byte("long"), maxCell/4+1)) {
		t.Error("a cell is longer than its cap")
	}
	if !bytes.Contains(page, []byte("longl…</td>")) {
		t.Error("a cell is cut without a mark")
	}
}

// TestPageCapsExpected checks that what is expected takes no room from what is not, and that
// the rules have a cap.
func TestPageCapsExpected(t *testing.T) {
	t.Parallel()
	node := audit.Judge(fullSnapshot())
	for i := range node.Findings[:len(node.Findings)-1] { // All but the undeclared one.
		// Most are of the first rule, and two rules are too many.
		rule := max(0, i-len(node.Findings)+maxRules+3)
		node.Findings[i].Ruling = &audit.Ruling{Rule: fmt.Sprintf("rule-%03d", rule), Reason: strings.Repeat("long", 1000), Expected: true}
	}
	page := get(t, Config{}, node, http.MethodGet, "/").Body.String()
	if rows, details := strings.Count(page, "<tr><td>"), strings.Count(page, "<details>"); rows > maxRows || details != maxRules {
		t.Errorf("%d rows, %d rules", rows, details)
	}
	if first := strings.Index(page, "default/zzz"); first < 0 || first > strings.Index(page, "<details>") {
		t.Error("what is not expected does not come first")
	}
	if !strings.Contains(page, "<p>… and by 2 more rules.</p>") {
		t.Error("the page does not count the rules that it leaves out")
	}
	if strings.Contains(page, strings.Repeat("long", maxTitle/4+1)) {
		t.Error("a title is longer than its cap")
	}
}

// TestPageIsMadeOncePerResult checks that requests share one page until the next result.
func TestPageIsMadeOncePerResult(t *testing.T) {
	t.Parallel()
	p := NewPage()
	made := func() *byte {
		body, err := (*p.latest.Load())()
		if err != nil {
			t.Fatal(err)
		}
		return &body[0]
	}
	p.Publish(audit.Judge(fullSnapshot()))
	first := made()
	if made() != first {
		t.Error("the page is made at each request")
	}
	p.Publish(audit.Judge(snap()))
	if made() == first {
		t.Error("the page does not follow the result")
	}
}

// TestPosture has findings about the posture: they are counted, and can be opened.
func TestPosture(t *testing.T) {
	t.Parallel()
	s := snap(container("web", "main", declared(), "sleep"))
	finding := func(check audit.Check, ruling *audit.Ruling) audit.Finding {
		return audit.Finding{
			Check: check, Verdict: audit.Allowed, Severity: audit.Info, DeclaredBy: inventory.ByPod,
			Container: &s.Containers[0], Evidence: &audit.SecurityEvidence{Actual: []string{"<b>"}}, Ruling: ruling,
		}
	}
	page := NewPage()
	page.Publish(&audit.Result{Snapshot: s, Posture: []audit.Finding{
		finding(audit.RootUser, nil), finding(audit.Seccomp, nil),
		finding(audit.Seccomp, &audit.Ruling{Rule: "r", Reason: "why", Expected: true}),
	}})
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	for _, want := range []string{
		"<summary>Posture, as declared: RunsAsRoot 1, SeccompUnconfined 1</summary>",
		"<td>SeccompUnconfined</td><td>&lt;b&gt;</td>",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
	if n := strings.Count(w.Body.String(), "<td>SeccompUnconfined</td>"); n != 1 {
		t.Errorf("%d rows of SeccompUnconfined, want 1", n)
	}
}
