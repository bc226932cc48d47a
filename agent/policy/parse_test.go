// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
)

// problemsOf are the problems of a text.
func problemsOf(t *testing.T, text string) []string {
	t.Helper()
	p, err := Parse([]byte(text))
	if err == nil {
		return nil
	}
	var wrong *Error
	if !errors.As(err, &wrong) || p != nil {
		t.Fatalf("policy %v and error %v (%T)", p, err, err)
	}
	return wrong.Problems
}

func TestParseRefusesRules(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ rule, want string }{
		"no name":                  {"reason: r, pods: [a]", `rule 1: name is missing: each rule needs one, which reports show`},
		"an empty name":            {`name: "", reason: r, pods: [a]`, `rule 1: name is empty: give it a value`},
		"a name with capitals":     {"name: Proxy, reason: r, pods: [a]", `rule 1: name "Proxy": want at most 63 small letters, digits and hyphens, with a letter or digit first and last`},
		"a name with a hyphen":     {"name: proxy-, reason: r, pods: [a]", `rule 1: name "proxy-": want at most 63 small letters, digits and hyphens, with a letter or digit first and last`},
		"a name that is too long":  {"name: " + strings.Repeat("a", 64) + ", reason: r, pods: [a]", `rule 1: name "` + strings.Repeat("a", 64) + `": want at most 63 small letters, digits and hyphens, with a letter or digit first and last`},
		"the built-in rule's name": {"name: nsaudit, reason: r, pods: [a]", `rule "nsaudit": the name is that of the built-in rule for the agent's own pod: choose another`},
		"no reason":                {"name: a, pods: [a]", `rule "a": reason is missing: say in a sentence why this is expected`},
		"an empty reason":          {`name: a, reason: " ", pods: [a]`, `rule "a": reason is empty: give it a value`},
		"a reason of two lines":    {`name: a, reason: "x\ny", pods: [a]`, `rule "a": reason: want one line of printable text`},
		"a reason with escapes":    {`name: a, reason: "x\e[31m", pods: [a]`, `rule "a": reason: want one line of printable text`},
		"a long reason":            {"name: a, pods: [a], reason: " + strings.Repeat("x", 257), `rule "a": reason has 257 bytes: want at most 256`},
		"an unknown key":           {"name: a, reason: r, namespace: [a]", `rule "a": unknown key "namespace": the keys are name, reason, checks, verdicts, declaredBy, namespaces, pods, podSelector, containers, images, ports, nodes, expires, severity`},
		"a key twice":              {"name: a, reason: r, pods: [a], pods: [b]", `rule "a": "pods" is there twice, the first time in line 4: leave one out`},
		"a merge key":              {"name: a, reason: r, <<: {pods: [a]}", `rule "a": unknown key "<<": the keys are name, reason, checks, verdicts, declaredBy, namespaces, pods, podSelector, containers, images, ports, nodes, expires, severity`},
		"an anchor":                {"name: a, reason: r, pods: &x [a]", `rule "a": anchors and aliases of YAML are not supported: write it out`},
		"an unknown check":         {"name: a, reason: r, checks: [hostNetwork]", `rule "a": checks: "hostNetwork" is none of ` + checkNames()},
		"an unknown verdict":       {"name: a, reason: r, verdicts: [HostPortBound]", `rule "a": verdicts: "HostPortBound" is none of Shared, Bound, Unlisted, Undeclared, NotInEffect, Shadows, Hijacks, Allowed, Gained, Held, Overlaps`},
		"declared by unknown":      {"name: a, reason: r, pods: [a], declaredBy: [unknown]", `rule "a": declaredBy: unknown: what could not be read is never expected`},
		"an unknown declarer":      {"name: a, reason: r, pods: [a], declaredBy: [me]", `rule "a": declaredBy: "me" is none of pod, spec, nobody`},
		"an empty list":            {"name: a, reason: r, checks: [HostNetwork], namespaces: []", `rule "a": namespaces is empty: give it a value, or leave it out`},
		"nothing for a list":       {"name: a, reason: r, checks: [HostNetwork], namespaces: ", `rule "a": namespaces is empty: give it a value, or leave it out`},
		"an empty item":            {`name: a, reason: r, checks: [HostNetwork], namespaces: ["", a]`, `rule "a": namespaces is empty: give it a value`},
		"a text for a list":        {"name: a, reason: r, namespaces: kube-system", `rule "a": namespaces: want a list, such as namespaces: [a, b]`},
		"a list in a list":         {"name: a, reason: r, namespaces: [[a]]", `rule "a": namespaces: want a single value`},
		"another wildcard":         {`name: a, reason: r, pods: ["kube-proxy-?????"]`, `rule "a": pods: "kube-proxy-?????": the only wildcard is *: spell it out, or write two patterns`},
		"an escape code":           {`name: a, reason: r, pods: ["a\e[31m"]`, `rule "a": pods: "a\x1b[31m": the only wildcard is *: spell it out, or write two patterns`},
		"a space":                  {`name: a, reason: r, images: ["a b"]`, `rule "a": images: "a b": it has a character that is not printable, or a space`},
		"an endless pattern":       {"name: a, reason: r, images: [" + strings.Repeat("a", 513) + "]", `rule "a": images has 513 bytes: want at most 512`},
		"an empty selector":        {"name: a, reason: r, checks: [HostPID], podSelector: {}", `rule "a": podSelector is empty: give it labels, or leave it out`},
		"no labels":                {"name: a, reason: r, checks: [HostPID], podSelector: {matchLabels: {}}", `rule "a": podSelector is empty: give it labels, or leave it out`},
		"an unknown operator":      {"name: a, reason: r, podSelector: {matchExpressions: [{key: a, operator: Is}]}", `rule "a": podSelector: "Is" is not a valid label selector operator`},
		"no value for In":          {"name: a, reason: r, podSelector: {matchExpressions: [{key: a, operator: In}]}", "rule \"a\": podSelector: values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty"},
		"a label that is none":     {"name: a, reason: r, podSelector: {matchLabels: {-a: b}}", `rule "a": podSelector: key: Invalid value: "-a": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`},
		"a label twice":            {"name: a, reason: r, podSelector: {matchLabels: {a: b, a: c}}", `rule "a": podSelector.matchLabels: "a" is there twice: leave one out`},
		"a list of labels":         {"name: a, reason: r, podSelector: {matchLabels: [a]}", `rule "a": podSelector.matchLabels: want labels with values, such as app: web`},
		"nothing for a label":      {"name: a, reason: r, podSelector: {matchLabels: {a: }}", `rule "a": podSelector.matchLabels: "a": want a single value`},
		"labels of a pod":          {"name: a, reason: r, podSelector: {app: web}", `rule "a": unknown key "app": the keys are matchLabels, matchExpressions`},
		"a port without protocol":  {"name: a, reason: r, ports: [80]", `rule "a": ports: "80": want a port and a protocol, such as 8080/TCP or 30000-32767/UDP; the protocols are TCP, UDP, SCTP, UDP-Lite, raw`},
		"a port too large":         {"name: a, reason: r, ports: [65536/TCP]", `rule "a": ports: "65536/TCP": want a number up to 65535, or two of which the second is not the smaller one, such as 30000-32767/UDP`},
		"a range turned round":     {"name: a, reason: r, ports: [90-80/TCP]", `rule "a": ports: "90-80/TCP": want a number up to 65535, or two of which the second is not the smaller one, such as 30000-32767/UDP`},
		"ports of a namespace":     {"name: a, reason: r, checks: [HostNetwork], ports: [80/TCP]", `rule "a": ports: only findings of HostPort have ports: leave them out, or make a rule of its own for them`},
		"no severity":              {"name: a, reason: r, pods: [a], severity: none", `rule "a": severity: "none" is none of critical, high, medium, low, info`},
		"no date":                  {"name: a, reason: r, pods: [a], expires: soon", `rule "a": expires: "soon": want the last day that the rule holds, such as 2027-01-31`},
		"a year long ago":          {"name: a, reason: r, pods: [a], expires: 0000-12-31", `rule "a": expires: "0000-12-31": want the last day that the rule holds, such as 2027-01-31`},
		"a time":                   {"name: a, reason: r, pods: [a], expires: 2027-01-31T00:00:00Z", `rule "a": expires: "2027-01-31T00:00:00Z": want the last day that the rule holds, such as 2027-01-31`},
		"everything":               {"name: a, reason: r", `rule "a": it covers everything: say whose findings it is about, with namespaces, pods, podSelector, containers or images`},
		"stars":                    {`name: a, reason: r, namespaces: [a, "*"], pods: ["**"], images: ["*"]`, `rule "a": it covers everything: say whose findings it is about, with namespaces, pods, podSelector, containers or images`},
		"a node and all its pods":  {"name: a, reason: r, nodes: [worker-1], declaredBy: [pod]", `rule "a": it covers everything: say whose findings it is about, with namespaces, pods, podSelector, containers or images`},
		"all checks":               {"name: a, reason: r, checks: [" + checkNames() + "], declaredBy: [pod, spec, nobody]", `rule "a": it covers everything: say whose findings it is about, with namespaces, pods, podSelector, containers or images`},
		"all but some labels":      {"name: a, reason: r, podSelector: {matchExpressions: [{key: a, operator: NotIn, values: [b]}]}", `rule "a": it covers everything: say whose findings it is about, with namespaces, pods, podSelector, containers or images`},
		"what nobody declared":     {"name: a, reason: r, checks: [HostNetwork], declaredBy: [nobody]", `rule "a": it covers what nobody declared, whose it may be: say whose findings it is about, with namespaces, pods, podSelector, containers or images`},
		"lowers what nobody did":   {"name: a, reason: r, verdicts: [Undeclared], declaredBy: [nobody], severity: low", `rule "a": it covers what nobody declared, whose it may be: say whose findings it is about, with namespaces, pods, podSelector, containers or images`},
		"undeclared by a pod":      {"name: a, reason: r, pods: [a], verdicts: [Shared, Undeclared]", `rule "a": verdicts: Undeclared goes with nothing else in the rule: what is undeclared needs declaredBy: [nobody]`},
		"a spec of a pod":          {"name: a, reason: r, pods: [a], declaredBy: [spec]", `rule "a": declaredBy: spec is that of a container outside pods, which has no namespace, pod or label: choose it by containers or images`},
		"a check that can't be":    {"name: a, reason: r, pods: [a], checks: [HostPID, HostPort], verdicts: [Bound]", `rule "a": checks: HostPID goes with nothing else in the rule: leave it out, or see the table of verdicts`},
		"a declarer that can't be": {"name: a, reason: r, pods: [a], verdicts: [Shared], declaredBy: [pod, nobody]", `rule "a": declaredBy: nobody goes with nothing else in the rule: leave it out, or see the table of verdicts`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := problemsOf(t, document("- {"+test.rule+"}\n"))
			if diff := cmp.Diff([]string{"line 4: " + test.want}, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefusesDocuments(t *testing.T) {
	t.Parallel()
	const good = "apiVersion: nsaudit.io/v1alpha1\nkind: Policy\n"
	const rule = "- {name: a, reason: r, pods: [a]}\n"
	tests := map[string]struct {
		text string
		want []string
	}{
		"nothing":            {"", []string{"it is empty: want apiVersion: nsaudit.io/v1alpha1, kind: Policy, and rules; rules: [] for none"}},
		"comments":           {"# one\n---\n# two\n", []string{"it is empty: want apiVersion: nsaudit.io/v1alpha1, kind: Policy, and rules; rules: [] for none"}},
		"another version":    {"apiVersion: nsaudit.io/v1\nkind: Policy\nfoo: 1\n", []string{`line 1: apiVersion "nsaudit.io/v1": this nsaudit reads "nsaudit.io/v1alpha1": write the policy in that version, or use the nsaudit that it is for`}},
		"no version":         {"kind: Policy\nrules: []\n", []string{`line 1: apiVersion "": this nsaudit reads "nsaudit.io/v1alpha1": write the policy in that version, or use the nsaudit that it is for`}},
		"another kind":       {"apiVersion: nsaudit.io/v1alpha1\nkind: Snapshot\n", []string{`line 1: kind "Snapshot": want "Policy"`}},
		"the whole object":   {"apiVersion: v1\nkind: ConfigMap\ndata: {}\n", []string{`line 1: kind "ConfigMap": want "Policy": a ConfigMap holds a policy as the text of one of its keys, give that text`}},
		"a text":             {"hello\n", []string{`line 1: kind "": want "Policy"`}},
		"a list":             {"- kind: Policy\n", []string{`line 1: kind "": want "Policy"`}},
		"an unknown key":     {good + "metadata: {name: x}\n", []string{`line 3: unknown key "metadata": the keys are apiVersion, kind, rules`}},
		"rules of no list":   {good + "rules: {a: b}\n", []string{"line 3: rules: want a list, such as rules: [a, b]"}},
		"an alias for rules": {good + "rules: *x\n", []string{"unknown anchor 'x' referenced"}},
		"a rule that is one": {good + "rules: [a]\n", []string{`line 3: rule 1: want keys with values, such as "name: ..."`, "line 3: rule 1: name is missing: each rule needs one, which reports show", "line 3: rule 1: reason is missing: say in a sentence why this is expected"}},
		"no YAML":            {good + "rules: [\n", []string{"line 3: did not find expected node content"}},
		"half of it":         {(good + "rules:\n" + rule)[:80], []string{"line 4: did not find expected node content"}},
		"no UTF-8":           {good + "rules: \xff\n", []string{"invalid leading UTF-8 octet"}},
		"two of one name":    {good + "rules:\n" + rule + rule, []string{`line 5: rule "a": the name is that of the rule in line 4: choose another`}},
		"in two documents":   {good + "rules:\n" + rule + "---\n" + good + "rules:\n" + rule, []string{`line 9: rule "a": the name is that of the rule in line 4: choose another`}},
		"two problems": {good + "rules:\n- {name: a, reason: r}\n- {name: b, reason: r, pods: []}\n", []string{
			`line 4: rule "a": it covers everything: say whose findings it is about, with namespaces, pods, podSelector, containers or images`,
			`line 5: rule "b": pods is empty: give it a value, or leave it out`,
		}},
		"a second document of another kind": {good + "---\nkind: ConfigMap\n", []string{`line 4: kind "ConfigMap": want "Policy": a ConfigMap holds a policy as the text of one of its keys, give that text`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, problemsOf(t, test.text)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// TestParseCaps has texts that are too large, and too much that is wrong.
func TestParseCaps(t *testing.T) {
	t.Parallel()
	if got := problemsOf(t, strings.Repeat("#", MaxText+1)); cmp.Diff([]string{"it has more than 1048576 bytes"}, got) != "" {
		t.Errorf("too large: %q", got)
	}
	var many strings.Builder
	for i := range maxRules + 1 {
		fmt.Fprintf(&many, "- {name: r%d, reason: r, pods: [a]}\n", i)
	}
	if got := problemsOf(t, document(many.String())); cmp.Diff([]string{"line 4: there are 10001 rules: want at most 10000"}, got) != "" {
		t.Errorf("too many rules: %q", got)
	}
	wrong := strings.Repeat("- {name: B, reason: r, pods: [a]}\n", maxProblems+1)
	if got := problemsOf(t, document(wrong)); len(got) != maxProblems {
		t.Errorf("%d problems, want %d", len(got), maxProblems)
	}
	_, err := Parse([]byte(document(wrong)))
	if text := err.Error(); len(text) > 1024 || !strings.HasSuffix(text, "; and 97 more: see nsaudit policy check") {
		t.Errorf("error of %d bytes: %s", len(text), text)
	}
}

// TestParseNoRules has the forms of a policy that expects nothing.
func TestParseNoRules(t *testing.T) {
	t.Parallel()
	for _, rules := range []string{"", "rules:\n", "rules: []\n", "rules:\n# - name: later\n"} {
		p, err := Parse([]byte("apiVersion: nsaudit.io/v1alpha1\nkind: Policy\n" + rules))
		if err != nil || len(p.rules) != 0 {
			t.Errorf("%q: %v, %v", rules, p, err)
		}
	}
}

func TestParseSeveralDocuments(t *testing.T) {
	t.Parallel()
	one := document("- {name: a, reason: r, pods: [web-0]}\n")
	two := document("- {name: b, reason: r, pods: [\"*\"], namespaces: [shop]}\n")
	p, err := Parse([]byte("# A comment first.\n---\n" + one + "---\n# None.\n---\n" + two))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range p.rules {
		names = append(names, p.rules[i].ruling.Rule)
	}
	if diff := cmp.Diff([]string{"a", "b"}, names); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

// FuzzParse feeds hostile texts: each is a policy, which rules a node without harm, or an error
// that is fit to be shown.
func FuzzParse(f *testing.F) {
	f.Add(document("- {name: a, reason: r, pods: [\"*a*\", b], ports: [80/TCP, 1-2/UDP], expires: 2027-01-31}\n"))
	f.Add(document("- name: a\n  reason: r\n  podSelector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: NotIn, values: [d]}]}\n  severity: low\n"))
	f.Add(document("- {name: a, reason: r, declaredBy: [nobody], namespaces: [kube-system]}\n---\nkind: Policy\n"))
	f.Add("apiVersion: nsaudit.io/v1alpha1\nkind: Policy\nrules: &x [*x]\n")
	result := judged(kubeProxy(80, 443), undeclared(container("kube-system", "a", "b", nil)))
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse([]byte(text))
		if err == nil {
			if n := len(p.Apply(result).Findings); n < len(result.Findings) {
				t.Errorf("%d of %d findings are left", n, len(result.Findings))
			}
			return
		}
		if shown := err.Error(); strings.ContainsFunc(strings.ReplaceAll(shown, string(unicode.ReplacementChar), ""), func(c rune) bool { return !unicode.IsPrint(c) }) {
			t.Errorf("%q is not printable", shown)
		}
	})
}

// checkNames lists all checks.
func checkNames() string {
	var names []string
	for _, check := range audit.Checks() {
		names = append(names, string(check))
	}
	return strings.Join(names, ", ")
}
