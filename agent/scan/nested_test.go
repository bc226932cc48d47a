// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"testing"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// TestMayBeNested has user namespaces that are not known, as under a profile of AppArmor.
func TestMayBeNested(t *testing.T) {
	t.Parallel()
	own, other, host := nsinspect.ID{Dev: 4, Ino: 1}, nsinspect.ID{Dev: 4, Ino: 2}, nsinspect.ID{Dev: 4, Ino: 3}
	inspector := &inspector{node: &node{}}
	inspector.node.ref.Namespaces.Set(nsinspect.User, host)
	in := func(id nsinspect.ID) []nsinspect.ThreadGroup {
		group := nsinspect.ThreadGroup{Threads: 1}
		group.Namespaces.Set(nsinspect.User, id)
		return []nsinspect.ThreadGroup{group}
	}
	tests := map[string]struct {
		container nsinspect.ID
		groups    []nsinspect.ThreadGroup
		want      bool
	}{
		"the container's":                {own, in(own), false},
		"another":                        {own, in(other), true},
		"that of the process is unknown": {own, in(nsinspect.ID{}), true},
		"no namespace of it is known":    {own, nil, true},
		"the container's is unknown":     {nsinspect.ID{}, in(own), true},
		"the host's":                     {own, in(host), false},
		"the host's, where unknown":      {nsinspect.ID{}, in(host), false},
	}
	for name, test := range tests {
		if got := inspector.mayBeNested(&snapshot.Container{UserNamespace: test.container}, test.groups); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestUnconfirmedWhereNested has a process that has more than its spec, which counts only if it is in the container's user
// namespace.
func TestUnconfirmedWhereNested(t *testing.T) {
	t.Parallel()
	container := &snapshot.Container{}
	container.Security = scantest.Confined(uid)
	credentials := scantest.User(uid)
	credentials.Bounding, credentials.Seccomp = 1<<41-1, nsinspect.SeccompDisabled
	credentials.Known = nsinspect.FieldSeccomp
	container.Security.Spec.Seccomp = true
	container.Credentials = []snapshot.Credentials{{Credentials: credentials}}
	alike := threadsAlike{CredentialGroup: snapshot.CredentialGroup{Threads: 1}, before: inventory.AnyWeakness}
	v := &visit{context: newContext(container), groups: []threadsAlike{alike}}
	if ways := v.compare(false); ways != inventory.MoreCapabilities|inventory.NoFilter || v.groups[0].Unconfirmed != 0 {
		t.Errorf("in the container's: %b, unconfirmed %b", ways, v.groups[0].Unconfirmed)
	}
	if ways := v.compare(true); ways != inventory.NoFilter || v.groups[0].Unconfirmed != inventory.MoreCapabilities {
		t.Errorf("nested: %b, unconfirmed %b", ways, v.groups[0].Unconfirmed)
	}
}
