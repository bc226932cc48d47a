// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// TestMatching gives one rule a part more than a name and a reason, and has it match the
// findings of a node or not.
func TestMatching(t *testing.T) {
	t.Parallel()
	web := container("shop", "web-0", "main", map[string]string{"app": "web", "tier": ""}, nsinspect.PID)
	unreadable := container("shop", "lost-0", "main", nil, nsinspect.Net)
	unreadable.Declared = inventory.NoDeclaration("its record is damaged")
	pause := container("shop", "starting-0", "", nil, nsinspect.Net)
	pause.Sandbox = true
	unlabelled := container("shop", "unlabelled-0", "main", nil, nsinspect.PID)
	unlabelled.Pod.Labels = nil
	result := judged(
		kubeProxy(10249), web, undeclared(container("shop", "moved-0", "main", map[string]string{"app": "web"}, nsinspect.Net)),
		unreadable, pause, unlabelled,
		outside(container("", "", "registry", nil, nsinspect.IPC)),
	)
	const (
		proxyNet  = "kube-system/kube-proxy-x7 kube-proxy HostNetworkShared"
		proxyPort = "kube-system/kube-proxy-x7 kube-proxy HostPortUnlisted 10249/TCP"
		webPID    = "shop/web-0 main HostPIDShared"
		moved     = "shop/moved-0 main UndeclaredHostNetwork"
		lost      = "shop/lost-0 main UndeclaredHostNetwork"
		starting  = "shop/starting-0 (pause) HostNetworkShared"
		noLabels  = "shop/unlabelled-0 main HostPIDShared"
		registry  = "- registry HostIPCShared"
	)
	all := []string{proxyNet, proxyPort, lost, moved, starting, noLabels, webPID, registry}
	if diff := cmp.Diff(all, lines(result)); diff != "" {
		t.Fatalf("without a policy (-want +got):\n%s", diff)
	}
	tests := map[string]struct {
		rule string
		want []string
	}{
		"a namespace":                          {"namespaces: [kube-system]", []string{proxyNet, proxyPort}},
		"a pattern of namespaces":              {`namespaces: ["kube-*", none]`, []string{proxyNet, proxyPort}},
		"all namespaces, not what is outside":  {`namespaces: ["*"], checks: [HostIPC, HostPID]`, []string{noLabels, webPID}},
		"a pod":                                {"pods: [web-0]", []string{webPID}},
		"a part of a pod's name is none":       {"pods: [web]", nil},
		"patterns of pods":                     {`pods: ["*-x7", "we*0"]`, []string{proxyNet, proxyPort, webPID}},
		"a container":                          {"containers: [main]", []string{noLabels, webPID}},
		"a container outside pods":             {"containers: [registry]", []string{registry}},
		"a pause container":                    {`containers: ["(pause)"]`, []string{starting}},
		"an image":                             {`images: ["registry.example/kube-proxy:*"]`, []string{proxyNet, proxyPort}},
		"a label":                              {"podSelector: {matchLabels: {app: web}}", []string{webPID}},
		"an empty label":                       {`podSelector: {matchLabels: {tier: ""}}`, []string{webPID}},
		"two labels":                           {"podSelector: {matchLabels: {app: web, tier: other}}", nil},
		"a label that is there":                {"podSelector: {matchExpressions: [{key: k8s-app, operator: Exists}]}", []string{proxyNet, proxyPort}},
		"labels in a set":                      {"podSelector: {matchExpressions: [{key: app, operator: In, values: [api, web]}]}", []string{webPID}},
		"a label that is missing, if any read": {"namespaces: [shop], podSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}", []string{starting}},
		"a check":                              {"checks: [HostNetwork]", []string{proxyNet, starting}},
		"a verdict":                            {"verdicts: [Unlisted]", []string{proxyPort}},
		"a port":                               {"ports: [10249/TCP]", []string{proxyPort}},
		"a range of ports":                     {"ports: [1/TCP, 10000-11000/TCP]", []string{proxyPort}},
		"a port of another protocol":           {"ports: [10249/UDP]", nil},
		"a node":                               {`nodes: ["worker-*"], namespaces: [kube-system]`, []string{proxyNet, proxyPort}},
		"another node":                         {"nodes: [worker-2], namespaces: [kube-system]", nil},
		"of a pod":                             {"declaredBy: [pod], checks: [HostIPC]", nil},
		"of a spec":                            {"declaredBy: [spec], checks: [HostIPC]", []string{registry}},
		"of nobody":                            {"declaredBy: [nobody], namespaces: [shop]", []string{moved}},
		"until today":                          {"expires: 2026-11-23, pods: [web-0]", []string{webPID}},
		"until yesterday":                      {"expires: 2026-11-22, pods: [web-0]", nil},
		"parts are joined by and":              {"namespaces: [kube-system], containers: [main]", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := fmt.Sprintf("- {name: r, reason: a reason, %s}\n", test.rule)
			ruled := parse(t, text).Apply(result)
			want := slices.Clone(all)
			for i, line := range want {
				if slices.Contains(test.want, line) {
					want[i] += " expected by r"
				}
			}
			if diff := cmp.Diff(want, lines(ruled)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]audit.RuleUse{{Rule: "r", Findings: len(test.want)}}, ruled.Rules); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPortsAreRuledOneByOne(t *testing.T) {
	t.Parallel()
	const proxyNet = "kube-system/kube-proxy-x7 kube-proxy HostNetworkShared"
	port := func(ports string) string { return "kube-system/kube-proxy-x7 kube-proxy HostPortUnlisted " + ports }
	tests := map[string]struct {
		rules string
		want  []string
	}{
		"none": {
			"- {name: none, reason: r, ports: [1/TCP]}\n",
			[]string{proxyNet, port("80/TCP,443/TCP,10249/TCP")},
		},
		"all": {
			"- {name: all, reason: r, ports: [80/TCP, 443/TCP, 10249/TCP]}\n",
			[]string{proxyNet, port("80/TCP,443/TCP,10249/TCP expected by all")},
		},
		"one": {
			"- {name: one, reason: r, ports: [443/TCP]}\n",
			[]string{proxyNet, port("80/TCP,10249/TCP"), port("443/TCP expected by one")},
		},
		"two rules, and a third for the rest": {
			"- {name: one, reason: r, ports: [443/TCP]}\n- {name: two, reason: r, ports: [1-1000/TCP], severity: high}\n- {name: rest, reason: r, namespaces: [kube-system]}\n",
			[]string{proxyNet + " expected by rest", port("443/TCP expected by one"), port("80/TCP high by two"), port("10249/TCP expected by rest")},
		},
		"the first rule counts": {
			"- {name: first, reason: r, checks: [HostPort], severity: critical}\n- {name: second, reason: r, ports: [443/TCP]}\n",
			[]string{proxyNet, port("80/TCP,443/TCP,10249/TCP critical by first")},
		},
		"a rule that has expired does not": {
			"- {name: first, reason: r, ports: [443/TCP], expires: 2020-01-01}\n- {name: second, reason: r, ports: [443/TCP]}\n",
			[]string{proxyNet, port("80/TCP,10249/TCP"), port("443/TCP expected by second")},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ruled := parse(t, test.rules).Apply(judged(kubeProxy(80, 443, 10249)))
			if diff := cmp.Diff(test.want, lines(ruled)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			checkIDs(t, ruled)
		})
	}
}

// checkIDs checks that no two findings have the same ID.
func checkIDs(t *testing.T, result *audit.Result) {
	t.Helper()
	seen := make(map[string]string)
	for i, line := range lines(result) {
		id := result.Findings[i].ID
		if other, twice := seen[id]; twice || len(id) != 16 {
			t.Errorf("ID %q of %q is also that of %q", id, line, other)
		}
		seen[id] = line
	}
}

// TestIDsOfParts has ports that make no ID: what is unexpected keeps the ID that it had.
func TestIDsOfParts(t *testing.T) {
	t.Parallel()
	resolver := listening(container("dns", "resolver-0", "main", nil, nsinspect.Net), socket.UDP, 40001, 40002)
	before := judged(resolver)
	after := parse(t, "- {name: one, reason: r, ports: [40001/UDP]}\n").Apply(before)
	want := []string{
		"dns/resolver-0 main HostNetworkShared",
		"dns/resolver-0 main HostPortUnlisted 40002/UDP",
		"dns/resolver-0 main HostPortUnlisted 40001/UDP expected by one",
	}
	if diff := cmp.Diff(want, lines(after)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	checkIDs(t, after)
	if before.Findings[1].ID != after.Findings[1].ID {
		t.Errorf("the ID was %s and is %s", before.Findings[1].ID, after.Findings[1].ID)
	}
}

// TestPortsThatAreNotNamed has a finding with more ports than it names.
func TestPortsThatAreNotNamed(t *testing.T) {
	t.Parallel()
	var ports []uint16
	for port := range uint16(70) {
		ports = append(ports, 1000+port)
	}
	result := judged(kubeProxy(ports...))
	tests := map[string]struct {
		rules string
		// want are how many ports each finding names, and counts beyond that.
		want []string
	}{
		"a rule without ports matches all":      {"- {name: all, reason: r, checks: [HostPort]}\n", []string{"64+6 all"}},
		"a rule with ports matches those named": {"- {name: low, reason: r, ports: [1-1001/TCP]}\n", []string{"62+6 ", "2+0 low"}},
		"a port is left to be named":            {"- {name: any, reason: r, ports: [1-65535/TCP]}\n", []string{"1+6 ", "63+0 any"}},
		"a later rule can't know":               {"- {name: none, reason: r, ports: [1/TCP]}\n- {name: all, reason: r, checks: [HostPort]}\n", []string{"1+6 ", "63+0 all"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, finding := range parse(t, test.rules).Apply(result).Findings[1:] {
				rule := ""
				if finding.Ruling != nil {
					rule = finding.Ruling.Rule
				}
				evidence := finding.Evidence.(*audit.HostPortEvidence)
				got = append(got, fmt.Sprintf("%d+%d %s", len(evidence.Ports), evidence.MorePorts, rule))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("ports (-want +got):\n%s", diff)
			}
		})
	}
}

// TestForwardedRange has a rule of the host that forwards several ports: it is covered whole
// or not at all.
func TestForwardedRange(t *testing.T) {
	t.Parallel()
	c := container("shop", "web-0", "main", nil)
	forward := nstest.Forward(8000)
	forward.LastPort = 8010
	c.Forwards = []snapshot.Forward{{Forward: forward}}
	for ports, want := range map[string]string{"8000-8009/TCP": "", "8001-8010/TCP": "", "8000-8010/TCP": " expected by r"} {
		rule := fmt.Sprintf("- {name: r, reason: r, declaredBy: [nobody], pods: [web-0], ports: [%s]}\n", ports)
		got := lines(parse(t, rule).Apply(judged(c)))
		if diff := cmp.Diff([]string{"shop/web-0 main UndeclaredHostPort 8000-8010/TCP" + want}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", ports, diff)
		}
	}
}

// TestSeverityOfARule raises and lowers severities.
func TestSeverityOfARule(t *testing.T) {
	t.Parallel()
	result := judged(kubeProxy(10249), undeclared(container("shop", "moved-0", "main", nil, nsinspect.PID)))
	ruled := parse(t, `
- {name: raised, reason: r, checks: [HostPort], severity: critical}
- {name: lowered, reason: r, declaredBy: [nobody], namespaces: [shop], severity: info}
`).Apply(result)
	var got []string
	for i := range ruled.Findings {
		f := &ruled.Findings[i]
		got = append(got, fmt.Sprintf("%s %s %v %v", f.Reason(), f.Severity, f.Expected(), f.Warns()))
	}
	want := []string{"HostNetworkShared info false false", "HostPortUnlisted critical false true", "UndeclaredHostPID info false false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("severities (-want +got):\n%s", diff)
	}
	if len(ruled.Rules) > 0 {
		t.Errorf("rules that expect nothing by intent: %v", ruled.Rules)
	}
}

func TestSelf(t *testing.T) {
	t.Parallel()
	agent := listening(container("nsaudit", "nsaudit-b4", "nsaudit", nil, nsinspect.Net), socket.TCP, 9547, 9548)
	agent.Declared.Ports = []inventory.Port{{Protocol: socket.TCP, HostPort: 9547, ContainerPort: 9547}}
	other := listening(container("nsaudit", "nsaudit-other", "nsaudit", nil, nsinspect.Net), socket.TCP, 9549)
	intruder := undeclared(container("nsaudit", "nsaudit-b4", "intruder", nil, nsinspect.PID))
	result := judged(agent, other, intruder)
	p := parse(t, "- {name: pid, reason: r, namespaces: [nsaudit], declaredBy: [nobody]}\n").WithSelf("uid-nsaudit-b4")
	ruled := p.Apply(result)
	want := []string{
		"nsaudit/nsaudit-b4 intruder UndeclaredHostPID expected by pid",
		"nsaudit/nsaudit-b4 nsaudit HostNetworkShared expected by nsaudit",
		"nsaudit/nsaudit-b4 nsaudit HostPortBound 9547/TCP expected by nsaudit",
		"nsaudit/nsaudit-b4 nsaudit HostPortUnlisted 9548/TCP expected by nsaudit",
		"nsaudit/nsaudit-other nsaudit HostNetworkShared",
		"nsaudit/nsaudit-other nsaudit HostPortUnlisted 9549/TCP",
	}
	if diff := cmp.Diff(want, lines(ruled)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]audit.RuleUse{{Rule: "nsaudit", Findings: 3}, {Rule: "pid", Findings: 1}}, ruled.Rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	if active, expired := p.Count(noon()); active != 1 || expired != 0 {
		t.Errorf("%d active and %d expired rules, want 1 and 0: the built-in one is not of the file", active, expired)
	}
	if got := Empty().WithSelf("").Apply(result); len(got.Rules) != 0 {
		t.Errorf("rules without a UID: %v", got.Rules)
	}
}

// TestSelfPosture has the posture of the agent's pod, which is not counted with that of others. What
// the agent does not declare is: that it is privileged, and what is not in effect.
func TestSelfPosture(t *testing.T) {
	t.Parallel()
	weak := func(pod string, change func(*inventory.Security)) snapshot.Container {
		c := container("nsaudit", pod, "nsaudit", nil)
		c.Security = &inventory.Security{
			Spec:    &inventory.SecuritySpec{Bounding: 1 << 12, Masked: []string{"/proc/keys"}, Mounts: []inventory.Mount{{Source: "/proc", Point: "/host/proc"}}},
			Request: &inventory.SecurityRequest{},
		}
		change(c.Security)
		c.Credentials = []snapshot.Credentials{{Credentials: nsinspect.Credentials{Known: nsinspect.FieldNoNewPrivileges | nsinspect.FieldSeccomp}}}
		c.Processes[0].Credentials = []snapshot.CredentialGroup{{Threads: 1}}
		return c
	}
	asDeployed := func(*inventory.Security) {}
	privileged := func(s *inventory.Security) { s.Request.Privileged = true }
	lost := func(s *inventory.Security) { s.Request.Add = []string{"NET_RAW"} }
	result := audit.Judge(&snapshot.Snapshot{
		Node: node, Time: noon(), Host: nstest.Host(), HostSecurity: &snapshot.HostSecurity{Bounding: 1<<41 - 1},
		Containers: []snapshot.Container{weak("nsaudit-b4", asDeployed), weak("nsaudit-other", asDeployed), weak("nsaudit-privileged", privileged), weak("nsaudit-lost", lost)},
	})
	for uid, want := range map[string][]string{
		"uid-nsaudit-b4":         nil,
		"uid-nsaudit-privileged": {"PrivilegedContainer"},
		"uid-nsaudit-lost":       {"CapabilitiesNotInEffect"},
	} {
		ruled := Empty().WithSelf(uid).Apply(result)
		var got []string
		expected := 0
		for _, f := range slices.Concat(ruled.Findings, ruled.Posture) {
			own := f.Container.Pod.UID == uid
			switch {
			case f.Expected() && own:
				expected++
			case f.Expected():
				t.Errorf("%s of %s is expected", f.Reason(), f.Container.Pod.Name)
			case own:
				got = append(got, f.Reason())
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || expected < 5 {
			t.Errorf("%s: %d expected, and not (-want +got):\n%s", uid, expected, diff)
		}
	}
}

// TestApplyLeavesTheResult checks that what was given is not changed, with and without rules.
func TestApplyLeavesTheResult(t *testing.T) {
	t.Parallel()
	containers := []snapshot.Container{kubeProxy(80, 443), undeclared(container("shop", "moved-0", "main", nil, nsinspect.PID))}
	result, same := judged(containers...), judged(containers...)
	for name, p := range map[string]*Policy{
		"nil": nil, "empty": Empty(),
		"rules": parse(t, "- {name: p, reason: r, ports: [80/TCP]}\n- {name: s, reason: r, namespaces: [shop], declaredBy: [nobody], severity: low}\n"),
	} {
		ruled := p.Apply(result)
		if ruled == result || len(ruled.Findings) > 0 && &ruled.Findings[0] == &result.Findings[0] {
			t.Errorf("%s: the same result", name)
		}
		if name != "rules" {
			if diff := cmp.Diff(lines(same), lines(ruled)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
	addresses := cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})
	if diff := cmp.Diff(same.Findings, result.Findings, addresses); diff != "" {
		t.Errorf("the result that was given (-before +after):\n%s", diff)
	}
}

// TestPosture has a rule that expects a finding about the posture, and one that has it announced.
func TestPosture(t *testing.T) {
	t.Parallel()
	posture := func(pod string, check audit.Check) audit.Finding {
		c := container("shop", pod, "main", nil)
		return audit.Finding{
			Check: check, Verdict: audit.Allowed, Severity: audit.Info, DeclaredBy: inventory.ByPod,
			Container: &c, Evidence: &audit.SecurityEvidence{},
		}
	}
	result := judged(kubeProxy())
	result.Posture = []audit.Finding{posture("a", audit.RootUser), posture("b", audit.RootUser), posture("b", audit.Seccomp)}
	ruled := parse(t, `
- {name: may, reason: r, checks: [RootUser], pods: [a]}
- {name: must-not, reason: r, checks: [RootUser], namespaces: [shop], severity: medium}
`).Apply(result)
	want := []string{
		"kube-system/kube-proxy-x7 kube-proxy HostNetworkShared",
		"shop/b main RunsAsRoot medium by must-not",
	}
	if diff := cmp.Diff(want, lines(ruled)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	left := *ruled
	left.Findings = ruled.Posture
	if diff := cmp.Diff([]string{"shop/a main RunsAsRoot expected by may", "shop/b main SeccompUnconfined"}, lines(&left)); diff != "" {
		t.Errorf("posture (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]audit.RuleUse{{Rule: "may", Findings: 1}}, ruled.Rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	if len(result.Findings) != 1 || result.Posture[0].Ruling != nil {
		t.Error("the result that was given has changed")
	}
}
