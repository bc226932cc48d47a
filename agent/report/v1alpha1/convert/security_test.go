// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/level"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

const (
	chown    = nsinspect.Capabilities(1)
	kill     = nsinspect.Capabilities(1 << 5)
	allKnown = nsinspect.FieldAmbient | nsinspect.FieldNoNewPrivileges | nsinspect.FieldSeccomp | nsinspect.FieldFilters
)

// as returns the credentials of a user.
func as(uid uint32, bounding nsinspect.Capabilities) snapshot.Credentials {
	return snapshot.Credentials{Credentials: nsinspect.Credentials{
		UIDs:     nsinspect.IDs{Real: uid, Effective: uid, Saved: uid, Filesystem: uid},
		GIDs:     nsinspect.IDs{Effective: uid},
		Bounding: bounding, Known: allKnown,
	}}
}

// running has a process for each of some credentials.
func running(credentials ...snapshot.Credentials) snapshot.Container {
	container := snapshot.Container{Container: inventory.Container{ID: "c"}, Credentials: credentials}
	for set := range credentials {
		container.Processes = append(container.Processes, snapshot.Process{
			PID: 10 + set, Credentials: []snapshot.CredentialGroup{{Set: set, Threads: 1}},
		})
	}
	return container
}

func TestSecurity(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	filtered := as(405, 0)
	filtered.NoNewPrivileges, filtered.Seccomp = true, nsinspect.SeccompFilter
	filtered.Label = &nsinspect.Label{Module: nsinspect.AppArmor, Name: "x\x1b", Mode: "enforce"}
	old := as(0, chown)
	old.Known = 0
	own := nsinspect.ID{Dev: 4, Ino: 99}
	mapped := running(filtered)
	mapped.UserNamespace, mapped.UserNamespaces = own, []snapshot.UserNamespace{{ID: own}}
	mapped.Mounts = &snapshot.Mounts{ReadOnlyRoot: true}
	nested := running(as(0, chown), as(405, chown|kill))
	nested.UserNamespace = nsinspect.ID{Dev: 4, Ino: 1}
	nested.Processes[1].Groups = []nsinspect.ThreadGroup{{}}
	nested.Processes[1].Groups[0].Namespaces.Set(nsinspect.User, own)
	var many []snapshot.Credentials
	for uid := range uint32(maxUsers + 2) {
		many = append(many, as(uid, 0))
	}
	tests := map[string]struct {
		container snapshot.Container
		level     level.Level
		want      *v1alpha1.Security
	}{
		"not read": {container: snapshot.Container{}},
		"root": {
			running(as(0, chown)), level.Baseline,
			&v1alpha1.Security{Users: []string{"0:0"}, Capabilities: []string{"CHOWN"}, NoNewPrivileges: &no, Seccomp: &no, Level: "baseline"},
		},
		"all capabilities": {
			running(as(0, chown|kill)), level.Privileged,
			&v1alpha1.Security{
				Users: []string{"0:0"}, Capabilities: []string{"CHOWN", "KILL"}, AllCapabilities: true,
				NoNewPrivileges: &no, Seccomp: &no, Level: "privileged",
			},
		},
		"restricted, in a user namespace": {
			mapped, "",
			&v1alpha1.Security{
				Users: []string{"405:405"}, Capabilities: []string{}, NoNewPrivileges: &yes, Seccomp: &yes,
				Label: `x\x1b (enforce)`, ReadOnlyRoot: &yes, UserNamespace: true,
			},
		},
		"the weakest counts": {
			running(filtered, as(0, chown)), "",
			&v1alpha1.Security{
				Users: []string{"0:0", "405:405"}, Capabilities: []string{"CHOWN"}, NoNewPrivileges: &no, Seccomp: &no,
				Label: `x\x1b (enforce)`,
			},
		},
		"capabilities of a nested user namespace": {
			nested, "",
			&v1alpha1.Security{Users: []string{"0:0", "405:405"}, Capabilities: []string{"CHOWN"}, NoNewPrivileges: &no, Seccomp: &no},
		},
		"an old kernel": {
			running(old), "",
			&v1alpha1.Security{Users: []string{"0:0"}, Capabilities: []string{"CHOWN"}},
		},
		"many users": {
			running(many...), "",
			&v1alpha1.Security{
				Users:     []string{"0:0", "1:1", "2:2", "3:3", "4:4", "5:5", "6:6", "7:7"},
				MoreUsers: 2, Capabilities: []string{}, NoNewPrivileges: &no, Seccomp: &no,
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			snap := &snapshot.Snapshot{
				Host: nstest.Host(), HostSecurity: &snapshot.HostSecurity{Bounding: chown | kill},
				Containers: []snapshot.Container{test.container},
			}
			result := &audit.Result{Snapshot: snap}
			if test.level != "" {
				result.Levels = []level.Pod{{Pod: &inventory.Pod{}, Containers: []level.Container{{Container: &snap.Containers[0], Enforced: test.level}}}}
			}
			if diff := cmp.Diff(test.want, FromResult(result, Filter{}).Containers[0].Security); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
