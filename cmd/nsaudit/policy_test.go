// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report/reporttest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// file writes a text into a file.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func policyOf(rules ...string) string {
	return "apiVersion: nsaudit.io/v1alpha1\nkind: Policy\nrules:\n" + strings.Join(rules, "")
}

// webRule expects what the container of saved declares.
const webRule = "- {name: web, reason: It is a test., containers: [web]}\n"

// everything is a saved snapshot with one of everything.
func everything(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "everything.json")
	if err := saveSnapshot(path, reporttest.Snapshot()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPolicyUsage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no such command":        {[]string{"policy", "chekc"}, `unknown command "chekc"`},
		"check without a file":   {[]string{"policy", "check"}, "accepts 1 arg(s), received 0"},
		"check of two files":     {[]string{"policy", "check", "a", "b"}, "accepts 1 arg(s), received 2"},
		"test without a file":    {[]string{"policy", "test", "--from", "x"}, "accepts 1 arg(s), received 0"},
		"test of nothing":        {[]string{"policy", "test", "x"}, "--from is missing: name a snapshot"},
		"suggest from nothing":   {[]string{"policy", "suggest"}, "--from is missing: name a snapshot"},
		"suggest with a file":    {[]string{"policy", "suggest", "x"}, `"x"`},
		"check of stdin twice":   {[]string{"policy", "check", "-", "--from", "-"}, "only one file can be read from standard input"},
		"test of stdin twice":    {[]string{"policy", "test", "-", "--from", "-"}, "only one file can be read from standard input"},
		"suggest of stdin twice": {[]string{"policy", "suggest", "--policy", "-", "--from", "-"}, "only one file can be read from standard input"},
		"scan of stdin twice":    {[]string{"scan", "--policy", "-", "--from", "-"}, "only one file can be read from standard input"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := call(t, test.args...)
			if got.code != exitUsage || got.out != "" || !strings.Contains(got.err, test.want) {
				t.Errorf("%+v, want code %d and %q", got, exitUsage, test.want)
			}
		})
	}
}

// TestPolicyBadFiles has files that can't be read, for each command that reads one.
func TestPolicyBadFiles(t *testing.T) {
	t.Parallel()
	from := saved(t, inventory.Declaration{})
	good := file(t, policyOf(webRule))
	half := file(t, policyOf(webRule)[:80])
	wrong := file(t, policyOf("- {name: a, reason: r}\n", "- {name: b, reason: r, pods: [\"\x1b[31m\"]}\n"))
	newer := file(t, strings.ReplaceAll(policyOf(webRule), "v1alpha1", "v2"))
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"check of no file":       {[]string{"policy", "check", "/does/not/exist"}, []string{"read policy: open /does/not/exist: no such file or directory"}},
		"check of a directory":   {[]string{"policy", "check", t.TempDir()}, []string{"is a directory"}},
		"check of half a file":   {[]string{"policy", "check", half}, []string{half + ": line 3: did not find expected ',' or '}'"}},
		"check of a newer file":  {[]string{"policy", "check", newer}, []string{newer + `: line 1: apiVersion "nsaudit.io/v2": this nsaudit reads "nsaudit.io/v1alpha1"`}},
		"check of two problems":  {[]string{"policy", "check", wrong}, []string{wrong + `: `}},
		"check from no snapshot": {[]string{"policy", "check", good, "--from", "/does/not/exist"}, []string{"load snapshot: open /does/not/exist"}},
		"check from a policy":    {[]string{"policy", "check", good, "--from", good}, []string{good + ": read snapshot: not a snapshot"}},
		"test of no file":        {[]string{"policy", "test", "/does/not/exist", "--from", from}, []string{"read policy: open /does/not/exist"}},
		"test from no snapshot":  {[]string{"policy", "test", good, "--from", "/does/not/exist"}, []string{"load snapshot: open /does/not/exist"}},
		"suggest from none":      {[]string{"policy", "suggest", "--from", "/does/not/exist"}, []string{"load snapshot: open /does/not/exist"}},
		"suggest with no policy": {[]string{"policy", "suggest", "--from", from, "--policy", "/does/not/exist"}, []string{"read policy: open /does/not/exist"}},
		"scan with no policy":    {[]string{"scan", "--from", from, "--policy", "/does/not/exist"}, []string{"read policy: open /does/not/exist"}},
		"scan with half a file":  {[]string{"scan", "--from", from, "--policy", half}, []string{half + ": line 3: "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := call(t, test.args...)
			if got.code != exitFailed || got.out != "" {
				t.Errorf("code %d, stdout %q; want %d and nothing", got.code, got.out, exitFailed)
			}
			for _, want := range test.want {
				if !strings.Contains(got.err, want) || strings.Contains(got.err, "\x1b") {
					t.Errorf("stderr %q lacks %q, or has an escape code", got.err, want)
				}
			}
		})
	}
}

func TestPolicyCheck(t *testing.T) {
	t.Parallel()
	from := saved(t, inventory.Declaration{By: inventory.BySpec, Host: []nsinspect.Kind{nsinspect.Net}})
	good := file(t, policyOf(webRule, "- {name: old, reason: r, containers: [old], severity: low}\n"))
	if got := call(t, "policy", "check", good); got != (result{exitDone, good + ": 2 rules, nothing to change.\n", ""}) {
		t.Errorf("a good policy: %+v", got)
	}
	want := result{exitFindings, good + ":5: rule \"old\": unused: it matches nothing here: leave it out, if that is so on all nodes\n", ""}
	if got := call(t, "policy", "check", good, "--from", from); got != want {
		t.Errorf("a rule that is not used: %+v", got)
	}
	bad := file(t, policyOf("- {name: a, reason: r, checks: [HostNetwork]}\n", "- {name: b, reason: r, containers: [x], expires: 2020-01-01}\n", "- {name: c, reason: r, checks: [HostNetwork], pods: [x]}\n"))
	want = result{exitFindings, strings.ReplaceAll(`FILE:4: rule "a": too broad: it names no namespace, pod, label, container or image: say whose findings it is about
FILE:5: rule "b": expired on 2020-01-01: leave it out, or give it another date
FILE:6: rule "c": shadowed: all that it matches, rule "a" in line 4 matches first: leave one out, or change their order
`, "FILE", bad), ""}
	if diff := cmp.Diff(want, call(t, "policy", "check", bad), cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("a policy to change (-want +got):\n%s", diff)
	}
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"policy", "check", "-"}, streams{in: strings.NewReader(policyOf(webRule)), out: &out, err: &errs})
	if code != exitDone || out.String() != "-: 1 rule, nothing to change.\n" {
		t.Errorf("from standard input: %d %q %q", code, out.String(), errs.String())
	}
}

func TestPolicyTestGolden(t *testing.T) {
	t.Parallel()
	rules := file(t, policyOf(
		"- {name: chapter, reason: The pods of the chapter., namespaces: [default], pods: [\"pod-with-*\"]}\n",
		"- {name: hostport, reason: It is published., namespaces: [default], pods: [kubia-hostport], ports: [9000/TCP]}\n",
		"- {name: mistaken, reason: It is on the list., namespaces: [default], pods: [mistaken], severity: medium}\n",
	))
	got := call(t, "policy", "test", rules, "--from", everything(t))
	if got.code != exitFindings || got.err != "" {
		t.Errorf("code %d, stderr %q", got.code, got.err)
	}
	reporttest.Golden(t, "testdata/policy-test.txt", got.out)
}

func TestPolicyTestExitCodes(t *testing.T) {
	t.Parallel()
	declared := inventory.Declaration{By: inventory.BySpec, Host: []nsinspect.Kind{nsinspect.Net}}
	undeclared := inventory.Declaration{By: inventory.BySpec}
	for name, test := range map[string]struct {
		rule     string
		declared inventory.Declaration
		code     int
		want     string
	}{
		"expected":                {webRule, declared, exitDone, "1 finding: 1 expected, 0 listed, 0 warn."},
		"listed":                  {"- {name: x, reason: r, containers: [x]}\n", declared, exitDone, "1 finding: 0 expected, 1 listed, 0 warn."},
		"undeclared":              {webRule, undeclared, exitFindings, "1 finding: 0 expected, 0 listed, 1 warn."},
		"undeclared and expected": {"- {name: web, reason: r, containers: [web], declaredBy: [nobody]}\n", undeclared, exitDone, "1 finding: 1 expected, 0 listed, 0 warn."},
		"raised":                  {"- {name: web, reason: r, containers: [web], severity: medium}\n", declared, exitFindings, "1 finding: 0 expected, 0 listed, 1 warn."},
		"nothing":                 {webRule, inventory.Declaration{}, exitDone, "0 findings: 0 expected, 0 listed, 0 warn."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := call(t, "policy", "test", file(t, policyOf(test.rule)), "--from", saved(t, test.declared))
			if got.code != test.code || got.err != "" || !strings.Contains(got.out, test.want+" 0 unknown, which no rule matches.\n") {
				t.Errorf("%+v, want code %d and %q", got, test.code, test.want)
			}
		})
	}
}

// TestPolicyWithoutAHost has a snapshot in which nothing could be compared.
func TestPolicyWithoutAHost(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "blind.json")
	snap := &snapshot.Snapshot{Node: "n", Time: time.Unix(0, 0), Host: nsinspect.HostReference{Reference: nsinspect.ByNone}}
	snap.Inventory.Source = inventory.FromContainerd
	if err := saveSnapshot(path, snap); err != nil {
		t.Fatal(err)
	}
	rules := file(t, policyOf(webRule))
	for _, args := range [][]string{{"check", rules, "--from", path}, {"test", rules, "--from", path}, {"suggest", "--from", path}} {
		got := call(t, append([]string{"policy"}, args...)...)
		if got.code != exitFailed || got.out != "" || !strings.Contains(got.err, "no host reference, so no verdict") {
			t.Errorf("%s: %+v", args[0], got)
		}
	}
}

// TestPolicySuggest suggests rules, and uses them.
func TestPolicySuggest(t *testing.T) {
	t.Parallel()
	from := everything(t)
	got := call(t, "policy", "suggest", "--from", from)
	if got.code != exitDone || got.err != "" {
		t.Fatalf("%+v", got)
	}
	rules := file(t, got.out)
	scan := call(t, "scan", "--from", from, "--policy", rules, "-o", "json")
	if n := strings.Count(scan.out, `"expected": {`); n < 5 || strings.Contains(scan.err, "policy") {
		t.Errorf("%d findings are expected\n%s", n, scan.err)
	}
	rest := call(t, "policy", "suggest", "--from", from, "--policy", rules)
	if rest.code != exitDone || !strings.HasSuffix(rest.out, "rules: []\n") {
		t.Errorf("what is left to suggest: %+v", rest)
	}
	checked := call(t, "policy", "check", rules, "--from", from)
	if checked.code != exitFindings || strings.Count(checked.out, "\n") != strings.Count(checked.out, "its reason is to be edited") {
		t.Errorf("check of what was suggested: %+v", checked)
	}
}

// TestScanShowExpected has what is expected as a line, or as a row.
func TestScanShowExpected(t *testing.T) {
	t.Parallel()
	args := []string{
		"scan", "--from", saved(t, inventory.Declaration{By: inventory.BySpec, Host: []nsinspect.Kind{nsinspect.Net}}),
		"--policy", file(t, policyOf(webRule)),
	}
	folded, shown := call(t, args...), call(t, append(args, "--show-expected")...)
	if !strings.Contains(folded.out, "web: 1 finding (It is a test.)") || strings.Contains(folded.out, "EXPECTED BY") {
		t.Errorf("folded: %+v", folded)
	}
	if strings.Contains(shown.out, "It is a test.") || !strings.Contains(shown.out, "EXPECTED BY") {
		t.Errorf("shown: %+v", shown)
	}
}

// TestScanFailOn has each kind of finding, expected or not.
func TestScanFailOn(t *testing.T) {
	t.Parallel()
	declared := saved(t, inventory.Declaration{By: inventory.BySpec, Host: []nsinspect.Kind{nsinspect.Net}})
	undeclared := saved(t, inventory.Declaration{By: inventory.BySpec})
	unknown := saved(t, inventory.Declaration{By: inventory.ByUnknown})
	expected := policyOf("- {name: web, reason: r, containers: [web], declaredBy: [spec, nobody]}\n")
	raised := policyOf("- {name: web, reason: r, containers: [web], severity: high}\n")
	lowered := policyOf("- {name: web, reason: r, containers: [web], declaredBy: [nobody], severity: low}\n")
	for _, test := range []struct {
		name, from, policy string
		// codes are for undeclared, warning and any.
		codes [3]int
	}{
		{"declared", declared, policyOf(), [3]int{exitDone, exitDone, exitFindings}},
		{"undeclared", undeclared, policyOf(), [3]int{exitFindings, exitFindings, exitFindings}},
		{"unknown", unknown, policyOf(), [3]int{exitFindings, exitFindings, exitFindings}},
		{"declared and expected", declared, expected, [3]int{exitDone, exitDone, exitDone}},
		{"undeclared and expected", undeclared, expected, [3]int{exitDone, exitDone, exitDone}},
		{"unknown, which no rule matches", unknown, expected, [3]int{exitFindings, exitFindings, exitFindings}},
		{"declared and raised", declared, raised, [3]int{exitDone, exitFindings, exitFindings}},
		{"undeclared and lowered", undeclared, lowered, [3]int{exitFindings, exitDone, exitFindings}},
	} {
		for i, failOn := range []string{failUndeclared, failWarning, failAny} {
			t.Run(fmt.Sprintf("%s, %s", test.name, failOn), func(t *testing.T) {
				t.Parallel()
				got := call(t, "scan", "--from", test.from, "--policy", file(t, test.policy), "--fail-on", failOn)
				if got.code != test.codes[i] {
					t.Errorf("code %d, want %d\n%s%s", got.code, test.codes[i], got.out, got.err)
				}
			})
		}
	}
}
