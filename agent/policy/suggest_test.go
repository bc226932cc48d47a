// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report/reporttest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// fleet has workloads of many forms, and what nobody declared.
func fleet() *audit.Result {
	exporter := container("monitoring", "node-exporter-k2", "node-exporter",
		map[string]string{"app.kubernetes.io/name": "node-exporter", "app.kubernetes.io/component": "metrics"}, nsinspect.Net, nsinspect.PID)
	proxy := container("monitoring", "node-exporter-k2", "kube-rbac-proxy", exporter.Pod.Labels, nsinspect.Net, nsinspect.PID)
	etcd := listening(container("kube-system", "etcd-a", "etcd", map[string]string{"component": "etcd"}, nsinspect.Net), socket.TCP, 2379, 2380)
	etcd.Declared.Ports = []inventory.Port{{Protocol: socket.TCP, HostPort: 2379}}
	unlabelled := container("default", "plain", "main", map[string]string{"app": "", "k8s-app": "not a label"}, nsinspect.IPC)
	mistaken := container("default", "mistaken", "main", map[string]string{"app": "mistaken"}, nsinspect.Net)
	mistaken.Processes[0].Groups = []nsinspect.ThreadGroup{nstest.Sharing()}
	taking := container("shop", "web-0", "main", map[string]string{"app": "web"})
	taking.Declared.Ports = []inventory.Port{{Protocol: socket.TCP, HostPort: 22}}
	taking.Forwards = []snapshot.Forward{{Forward: nstest.Forward(22), Shadows: []snapshot.Socket{{Socket: nstest.Listener(22)}}}}
	var all []uint16
	for port := range uint16(100) {
		all = append(all, 5000+port)
	}
	docker := outside(container("", "", "", nil, nsinspect.Net))
	docker.ID = strings.Repeat("ab", 32)
	hostile := container("shop", "a*b", "main", nil, nsinspect.Net)
	return judged(
		kubeProxy(10249, 10256), exporter, proxy, etcd, unlabelled, mistaken, taking, docker, hostile,
		listening(container("dns", "resolver-0", "main", map[string]string{"k8s-app": "dns"}, nsinspect.Net), socket.UDP, 53, 40001),
		listening(container("sip", "sip-0", "main", map[string]string{"app": "sip"}, nsinspect.Net), socket.TCP, all...),
		outside(container("", "", "registry", nil, nsinspect.Net)),
		undeclared(container("shop", "moved-0", "main", map[string]string{"app": "moved"}, nsinspect.Net)),
		undeclared(listening(container("shop", "web-1", "main", map[string]string{"app": "web"}), socket.TCP, 22)),
	)
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	suggestion, err := Empty().Suggest(fleet())
	if err != nil {
		t.Fatal(err)
	}
	reporttest.Golden(t, "testdata/suggested.yaml", string(suggestion.Text))
	if suggestion.Left != 1 {
		t.Errorf("%d findings are left, want that of the pod with a star in its name", suggestion.Left)
	}
}

// TestSuggestionIsEnough applies suggestions to what they were made from: each expects all that
// is declared and nothing else, and a person is told to edit each rule.
func TestSuggestionIsEnough(t *testing.T) {
	t.Parallel()
	reported := audit.Judge(reporttest.Snapshot())
	for name, test := range map[string]struct {
		policy *Policy
		result *audit.Result
		left   int
	}{
		"a fleet":             {nil, fleet(), 1},
		"with a policy":       {parse(t, "- {name: monitoring-node-exporter-metrics, reason: r, pods: [\"kube-proxy-*\"], ports: [10249/TCP]}\n"), fleet(), 1},
		"one of everything":   {Empty(), reported, 0},
		"many":                {Empty(), many(), 0},
		"nothing is declared": {Empty(), judged(undeclared(kubeProxy(80))), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suggestion, err := test.policy.Suggest(test.result)
			if err != nil {
				t.Fatal(err)
			}
			own := ""
			if test.policy != nil && len(test.policy.rules) > 0 {
				own = document("- {name: monitoring-node-exporter-metrics, reason: r, pods: [\"kube-proxy-*\"], ports: [10249/TCP]}\n") + "---\n"
			}
			both, err := Parse([]byte(own + string(suggestion.Text)))
			if err != nil {
				t.Fatalf("%v in\n%s", err, suggestion.Text)
			}
			left := 0
			for _, f := range both.Apply(test.result).Findings {
				if f.DeclaredBy.Declared() && f.Ruling == nil {
					left++
				}
				if !f.DeclaredBy.Declared() && f.Ruling != nil {
					t.Errorf("%s, which was not declared, is expected", lines(&audit.Result{Findings: []audit.Finding{f}}))
				}
			}
			if left != test.left || suggestion.Left != left {
				t.Errorf("%d findings are left, and %d are said to be; want %d:\n%s", left, suggestion.Left, test.left, suggestion.Text)
			}
			problems := both.Lint(noon(), test.result)
			for _, problem := range problems {
				if !strings.HasPrefix(problem.Text, "its reason is to be edited") {
					t.Errorf("%s: %s", problem.Rule, problem.Text)
				}
			}
			if len(problems) != suggestion.Rules {
				t.Errorf("%d rules are to be edited, of %d", len(problems), suggestion.Rules)
			}
		})
	}
}

// TestSuggestedNames has names that clash, and names of which nothing is left.
func TestSuggestedNames(t *testing.T) {
	t.Parallel()
	taken := map[string]bool{"nsaudit": true}
	var got []string
	for _, about := range []string{"nsaudit", "Kube_System/x", "--", "", strings.Repeat("a-", 60), "kube-system-x", "kube-system-x"} {
		name := unusedName(about, taken)
		if !isName(name) {
			t.Errorf("%q is no name", name)
		}
		got = append(got, name)
	}
	want := []string{"nsaudit-2", "kube-system-x", "rule", "rule-2", strings.TrimSuffix(strings.Repeat("a-", 29)[:57], "-"), "kube-system-x-2", "kube-system-x-3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// FuzzSuggest has pods and containers of hostile names: what is suggested is a policy, and
// expects what it says.
func FuzzSuggest(f *testing.F) {
	f.Add("kube-system", "web-0", "main", "web", "registry/a:v1")
	f.Add("a*", "\x1b[31m", "x: y", "- a\n#", "\"'")
	f.Fuzz(func(t *testing.T, namespace, pod, name, app, image string) {
		in := container(namespace, pod, name, map[string]string{"app": app}, nsinspect.Net)
		out := outside(container("", "", name, nil, nsinspect.Net))
		in.Image, out.Image = image, image
		result := judged(in, out)
		suggestion, err := Empty().Suggest(result)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(suggestion.Text)
		if err != nil {
			t.Fatalf("%v in\n%s", err, suggestion.Text)
		}
		left := 0
		for _, finding := range p.Apply(result).Findings {
			if !finding.Expected() {
				left++
			}
		}
		if left != suggestion.Left {
			t.Errorf("%d findings are left, and %d are said to be:\n%s", left, suggestion.Left, suggestion.Text)
		}
	})
}
