// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

// nodeWith is a node on which one process of each container is in the host's network.
func nodeWith(containers ...inventory.Container) *audit.Result {
	snap := &snapshot.Snapshot{Node: "node-1", Host: nstest.Host(), Inventory: inventory.Inventory{Source: inventory.FromContainerd}}
	groups := []nsinspect.ThreadGroup{nstest.Sharing(nsinspect.Net)}
	for _, container := range containers {
		snap.Containers = append(snap.Containers, snapshot.Container{
			Container: container,
			Processes: []snapshot.Process{{PID: 7, Command: "a\x1b[31mb", Groups: groups}},
		})
	}
	return audit.Judge(snap)
}

// expected has a rule expect all findings.
func expected(result *audit.Result) *audit.Result {
	for i := range result.Findings {
		result.Findings[i].Ruling = &audit.Ruling{Rule: "all\n", Reason: "r", Expected: true}
	}
	return result
}

// severe has a rule give all findings a severity.
func severe(result *audit.Result) *audit.Result {
	for i := range result.Findings {
		result.Findings[i].Ruling, result.Findings[i].Severity = &audit.Ruling{Rule: "severe", Reason: "r"}, audit.Critical
	}
	return result
}

func TestJournalWritesChanges(t *testing.T) {
	t.Parallel()
	declared := inventory.Container{
		ID: "c1", RuntimeNamespace: "k8s.io", Name: "main",
		Pod:      &inventory.Pod{Namespace: "default", Name: "web", UID: "u"},
		Declared: inventory.Declaration{By: inventory.ByPod, Host: []nsinspect.Kind{nsinspect.Net}},
	}
	sandbox, restarted := declared, declared
	sandbox.ID, sandbox.Sandbox = "pause", true
	restarted.ID = "c2"
	outside := inventory.Container{
		ID: "ctr", RuntimeNamespace: "default\nlevel=INFO", Declared: inventory.Declaration{By: inventory.BySpec},
	}
	var b bytes.Buffer
	journal := New(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: withoutTime})))
	var tracker audit.Tracker
	for _, result := range []*audit.Result{
		nodeWith(sandbox), nodeWith(declared), nodeWith(declared, outside), nodeWith(restarted, outside), // The same to people.
		nodeWith(outside), expected(nodeWith(outside)), nodeWith(), severe(nodeWith(restarted)),
	} {
		journal.Publish(tracker.Next(result))
	}
	const (
		web = ` check=HostNetwork declaredBy=pod findingID=WEB runtimeNamespace=k8s.io containerID=C container=main namespace=default pod=web podUID=u`
		ctr = ` check=HostNetwork declaredBy=nobody findingID=CTR runtimeNamespace="default\\nlevel=INFO" containerID=ctr container=""`
		in  = ` evidenceNamespace=net:[4:1] processes="pid 7 (a\\x1b[31mb)"`
	)
	ids := strings.NewReplacer("WEB", nodeWith(declared).Findings[0].ID, "CTR", nodeWith(outside).Findings[0].ID)
	want := []string{
		`level=INFO msg=Finding reason=HostNetworkShared severity=info` + strings.Replace(web, "=C ", "=c1 ", 1) + in,
		`level=WARN msg=Finding reason=UndeclaredHostNetwork severity=high` + ctr + in,
		`level=INFO msg="Finding ended" reason=HostNetworkShared severity=info` + strings.Replace(web, "=C ", "=c2 ", 1),
		`level=INFO msg="Finding is expected now" reason=UndeclaredHostNetwork severity=high` + ctr + ` rule=all\n`,
		`level=WARN msg=Finding reason=HostNetworkShared severity=critical` + strings.Replace(web, "=C ", "=c2 ", 1) + in,
	}
	for i := range want {
		want[i] = ids.Replace(want[i])
	}
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(b.String()), "\n")); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func withoutTime(_ []string, attr slog.Attr) slog.Attr {
	if attr.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return attr
}
