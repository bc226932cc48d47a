// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report/reporttest"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// result is what one call of the command left behind.
type result struct {
	code     int
	out, err string
}

func call(t *testing.T, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), args, streams{in: strings.NewReader(""), out: &out, err: &errs})
	return result{code, out.String(), errs.String()}
}

func TestHelpGolden(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"help.txt": {"--help"}, "help-scan.txt": {"scan", "--help"}, "help-agent.txt": {"agent", "--help"},
		"help-policy.txt": {"policy", "--help"}, "help-policy-check.txt": {"policy", "check", "--help"},
		"help-policy-test.txt": {"policy", "test", "--help"}, "help-policy-suggest.txt": {"policy", "suggest", "--help"},
	} {
		got := call(t, args...)
		if got.code != 0 || got.err != "" {
			t.Errorf("%v: code %d, stderr %q", args, got.code, got.err)
		}
		reporttest.Golden(t, filepath.Join("testdata", name), got.out)
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want []string
	}{
		"unknown command":      {[]string{"scam"}, []string{`unknown command "scam"`, "Did you mean this?\n\tscan"}},
		"unknown flag":         {[]string{"scan", "--frob"}, []string{"unknown flag: --frob"}},
		"stray argument":       {[]string{"scan", "x"}, []string{`"x"`}},
		"all wrong words":      {[]string{"scan", "-o", "xml", "--fail-on", "x", "--color", "x"}, []string{`--output "xml": want one of table, wide, json, yaml`, "--fail-on", "--color"}},
		"host pid 0":           {[]string{"scan", "--host-pid", "0"}, []string{"--host-pid 0: want the positive id"}},
		"no timeout":           {[]string{"scan", "--timeout", "0s"}, []string{"--timeout 0s"}},
		"relative address":     {[]string{"scan", "--containerd-address", "c.sock"}, []string{"want an absolute path"}},
		"from with look flags": {[]string{"scan", "--from", "x", "--procfs", "/proc", "--save", "y"}, []string{"--procfs is about", "--save is about"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := call(t, test.args...)
			if got.code != exitUsage || got.out != "" {
				t.Errorf("code %d, stdout %q; want %d and nothing", got.code, got.out, exitUsage)
			}
			for _, want := range test.want {
				if !strings.Contains(got.err, want) {
					t.Errorf("stderr %q lacks %q", got.err, want)
				}
			}
		})
	}
}

// saved writes a snapshot with one container that shares the host's network.
func saved(t *testing.T, declared inventory.Declaration, unknown ...snapshot.Gap) string {
	t.Helper()
	group := nstest.Sharing(nsinspect.Net)
	if declared.By == "" { // A clean one.
		group, declared.By = nstest.Sharing(), inventory.BySpec
	}
	s := &snapshot.Snapshot{Node: "n", Duration: time.Millisecond, Host: nstest.Host()}
	s.Inventory.Source = inventory.FromContainerd
	s.Containers = []snapshot.Container{{
		Container: inventory.Container{ID: "web", RuntimeNamespace: "default", Status: inventory.Running, Declared: declared},
		Processes: []snapshot.Process{{PID: 11, Command: "web", Groups: []nsinspect.ThreadGroup{group}}},
		Unread:    snapshot.Unread{Gaps: unknown},
	}}
	path := filepath.Join(t.TempDir(), "snapshot.json")
	if err := saveSnapshot(path, s); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	declared := inventory.Declaration{By: inventory.BySpec, Host: []nsinspect.Kind{nsinspect.Net}}
	undeclared := inventory.Declaration{By: inventory.BySpec}
	notKnown := inventory.Declaration{By: inventory.ByUnknown}
	clean := inventory.Declaration{}
	unseen := []snapshot.Gap{{Cause: snapshot.CauseRead, Detail: "not seen"}}
	tests := []struct {
		declared inventory.Declaration
		unknown  []snapshot.Gap
		failOn   string
		want     int
	}{
		{declared, nil, "never", exitDone},
		{declared, nil, "undeclared", exitDone},
		{declared, nil, "any", exitFindings},
		{undeclared, nil, "never", exitDone},
		{undeclared, nil, "undeclared", exitFindings},
		{notKnown, nil, "undeclared", exitFindings},
		{clean, nil, "any", exitDone},
		{clean, unseen, "never", exitDone},
		{clean, unseen, "undeclared", exitFailed},
		{undeclared, unseen, "undeclared", exitFindings},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s %v %s", test.declared.By, test.unknown, test.failOn), func(t *testing.T) {
			t.Parallel()
			got := call(t, "scan", "--from", saved(t, test.declared, test.unknown...), "--fail-on", test.failOn)
			if got.code != test.want || !strings.Contains(got.out, "in 1 container.") {
				t.Errorf("code %d, want %d\n%s%s", got.code, test.want, got.out, got.err)
			}
		})
	}
}

func TestFromBadFiles(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(saved(t, inventory.Declaration{}))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ text, want string }{
		"truncated": {string(text[:len(text)/2]), "truncated at byte"},
		"newer":     {strings.Replace(string(text), "v1alpha1", "v7", 1), `it is "nsaudit.io/v7", this nsaudit reads "nsaudit.io/v1alpha1"`},
		"other":     {"hello", "not a snapshot"},
	}
	for name, test := range tests {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := call(t, "scan", "--from", path)
		if got.code != exitFailed || got.out != "" || !strings.Contains(got.err, path) || !strings.Contains(got.err, test.want) {
			t.Errorf("%s: %+v, want the file's name and %q", name, got, test.want)
		}
	}
	if got := call(t, "scan", "--from", "/does/not/exist"); got.code != exitFailed || !strings.Contains(got.err, "/does/not/exist") {
		t.Errorf("absent file: %+v", got)
	}
}

// fakeProc makes a procfs with a host process and one in a container of Docker's, which
// share a network namespace but no other.
func fakeProc(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const none = "0000000000000000\n"
	const status = "State:\tS (sleeping)\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t \nThreads:\t1\n" +
		"CapInh:\t" + none + "CapPrm:\t" + none + "CapEff:\t" + none + "CapBnd:\t" + none
	link := func(pid, kind, namespace string) {
		t.Helper()
		write("namespaces/"+namespace, "")
		for _, dir := range []string{pid, pid + "/task/" + pid} {
			path := filepath.Join(root, dir, "ns", kind)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(root, "namespaces", namespace), path); err != nil {
				t.Fatal(err)
			}
		}
	}
	cgroups := map[string]string{"1": "0::/init.scope\n", "42": "0::/system.slice/docker-" + strings.Repeat("ab", 32) + ".scope\n"}
	for pid, cgroup := range cgroups {
		write(pid+"/cgroup", cgroup)
		write(pid+"/comm", "web\x1b[2J\n")
		write(pid+"/stat", pid+" (web) S 0")
		write(pid+"/status", status)
		for _, kind := range nsinspect.Kinds() {
			owner := "of-" + pid
			if kind == nsinspect.Net {
				owner = "shared"
			}
			link(pid, kind.String(), kind.String()+"-"+owner)
		}
	}
	return root
}

func TestScanOfAFixture(t *testing.T) {
	t.Parallel()
	save := filepath.Join(t.TempDir(), "saved.json")
	live := call(t, "scan", "--procfs", fakeProc(t), "--node", "fixture", "--containerd-address", "/does/not/exist.sock", "-o", "json", "--save", save)
	if live.code != exitFailed || !strings.Contains(live.err, "/does/not/exist.sock (no such file or directory)") {
		t.Errorf("a socket that was named is not there: code %d, stderr %q", live.code, live.err)
	}
	var scan v1alpha1.Scan
	if err := json.Unmarshal([]byte(live.out), &scan); err != nil {
		t.Fatalf("%v in %s", err, live.out)
	}
	if len(scan.Findings) != 1 || scan.Findings[0].Check != "HostNetwork" || scan.Findings[0].DeclaredBy != v1alpha1.ByUnknown {
		t.Errorf("findings: %+v", scan.Findings)
	}
	if strings.Contains(live.out, "\x1b") {
		t.Error("an escape code came through")
	}
	if again := call(t, "scan", "--from", save, "-o", "json"); again.out != live.out || again.code != exitDone {
		t.Errorf("judged again, code %d (-live +again):\n%s", again.code, cmp.Diff(live.out, again.out))
	}
}

// TestScanReadsWhatChecksNeed looks for the security context in documents: what no check needs is
// read only to be shown or kept.
func TestScanReadsWhatChecksNeed(t *testing.T) {
	t.Parallel()
	procfs, save := fakeProc(t), filepath.Join(t.TempDir(), "saved.json")
	tests := map[string]struct {
		flags []string
		want  bool
	}{
		"the default":                     {nil, true},
		"a check of it":                   {[]string{"--checks=HostNetwork,RootUser"}, true},
		"namespaces only":                 {[]string{"--checks=HostNetwork,HostPort"}, false},
		"namespaces, but the levels":      {[]string{"--checks=HostNetwork", "--level"}, true},
		"namespaces, and kept for others": {[]string{"--checks=HostNetwork", "--save", save}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// It fails for want of containerd, and shows what it saw.
			got := call(t, append([]string{"scan", "--procfs", procfs, "--containerd-address", "/does/not/exist.sock", "-o", "json"}, test.flags...)...)
			var document v1alpha1.Scan
			if err := json.Unmarshal([]byte(got.out), &document); err != nil {
				t.Fatalf("%v in %s%s", err, got.out, got.err)
			}
			if len(document.Containers) != 1 || (document.Containers[0].Security != nil) != test.want {
				t.Errorf("the security context is there: want %t, in %s", test.want, got.out)
			}
		})
	}
	wide := defaultScanOptions()
	wide.checks, wide.output = "HostNetwork", "wide"
	if got := wide.depth(); got != scan.Full {
		t.Errorf("-o wide scans with depth %d", got)
	}
}

func TestScanWithoutProcfs(t *testing.T) {
	t.Parallel()
	for _, root := range []string{"/does/not/exist", t.TempDir()} {
		got := call(t, "scan", "--procfs", root)
		if got.code != exitFailed || !strings.Contains(got.err, root) || !strings.Contains(got.err, "--procfs") {
			t.Errorf("--procfs %s: %+v", root, got)
		}
	}
}

func TestScanWithoutHostReference(t *testing.T) {
	t.Parallel()
	got := call(t, "scan", "--procfs", fakeProc(t), "--host-pid", "4242")
	if got.code != exitFailed || !strings.Contains(got.out, "No verdict") || !strings.Contains(got.out, "host-pid: open process 4242: vanished") {
		t.Errorf("no such host process: %+v", got)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if got := call(t, "version"); got.code != exitDone || !strings.HasPrefix(got.out, "nsaudit ") {
		t.Errorf("version: %+v", got)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	got := call(t, "__complete", "scan", "--output", "")
	for _, word := range []string{"table", "wide", "json", "yaml"} {
		if !strings.Contains(got.out, word) {
			t.Errorf("completion of --output lacks %s: %q", word, got.out)
		}
	}
}

func TestProgressSpeaksWhenItTakesLong(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	p := startProgress(&b, 10*time.Millisecond)
	p.next("list containers")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	p.stop()
	if !strings.Contains(b.String(), "nsaudit: list containers (") {
		t.Errorf("progress: %q", b.String())
	}
}
