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
	snap := &snapshot.Snapshot{Host: nstest.Host()}
	groups := []nsinspect.ThreadGroup{nstest.Sharing(nsinspect.Net)}
	for _, container := range containers {
		snap.Containers = append(snap.Containers, snapshot.Container{
			Container: container,
			Processes: []snapshot.Process{{PID: 7, Command: "a\x1b[31mb", Groups: groups}},
		})
	}
	return audit.Judge(snap)
}

func TestJournalWritesChanges(t *testing.T) {
	t.Parallel()
	declared := inventory.Container{
		ID: "c1", RuntimeNamespace: "k8s.io", Name: "main",
		Pod:      &inventory.Pod{Namespace: "default", Name: "web", UID: "u"},
		Declared: inventory.Declaration{By: inventory.ByPod, Host: []nsinspect.Kind{nsinspect.Net}},
	}
	sandbox := declared
	sandbox.ID, sandbox.Sandbox = "pause", true
	outside := inventory.Container{
		ID: "ctr", RuntimeNamespace: "default\nlevel=INFO", Declared: inventory.Declaration{By: inventory.BySpec},
	}
	var b bytes.Buffer
	journal := New(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: withoutTime})))
	journal.Publish(nodeWith(sandbox))
	journal.Publish(nodeWith(declared))
	journal.Publish(nodeWith(declared, outside))
	journal.Publish(nodeWith(outside))
	want := []string{
		`level=INFO msg=Finding reason=HostNetworkShared check=HostNetwork declaredBy=pod runtimeNamespace=k8s.io containerID=c1 container=main namespace=default pod=web podUID=u evidenceNamespace=net:[4:1] processes="pid 7 (a\\x1b[31mb)"`,
		`level=WARN msg=Finding reason=UndeclaredHostNetwork check=HostNetwork declaredBy=nobody runtimeNamespace="default\\nlevel=INFO" containerID=ctr container="" evidenceNamespace=net:[4:1] processes="pid 7 (a\\x1b[31mb)"`,
		`level=INFO msg="Finding gone" reason=HostNetworkShared check=HostNetwork declaredBy=pod runtimeNamespace=k8s.io containerID=c1 container=main namespace=default pod=web podUID=u`,
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
