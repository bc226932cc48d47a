// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// enforced is the label of a thread under the default profile.
func enforced() *nsinspect.Label {
	return &nsinspect.Label{Module: nsinspect.AppArmor, Name: "default", Mode: "enforce"}
}

// labelledNode is a snapshot of a node with AppArmor, and of a container whose spec names a user and
// a profile. It has two processes, and the second is of this user, with this label.
func labelledNode(uid uint32, label *nsinspect.Label) *snapshot.Snapshot {
	spec := told(405)
	spec.AppArmor = "default"
	s := secured(boxed(spec, labelledAs(405, enforced()), labelledAs(uid, label)))
	s.HostSecurity.Module = nsinspect.AppArmor
	return s
}

// TestUnseen has drift that is not there in the next snapshot. Where a part was not read, it has
// not ended, and the container has one unknown.
func TestUnseen(t *testing.T) {
	t.Parallel()
	const what = "its security context can't be judged: "
	complains := &nsinspect.Label{Module: nsinspect.AppArmor, Name: "default", Mode: "complain"}
	tests := map[string]struct {
		change         func(*snapshot.Container)
		unknown, ended []string
	}{
		"all was read": {func(*snapshot.Container) {}, nil, []string{"PodSecurityLevelLowered", "UndeclaredAppArmorUnconfined", "UndeclaredRootUser"}},
		"a label was not": {
			func(c *snapshot.Container) { c.Credentials[1].Label = nil },
			[]string{what + "how AppArmor confines its processes was not read"},
			[]string{"UndeclaredRootUser"},
		},
		"a label was not, and it is known why": {
			func(c *snapshot.Container) {
				c.Credentials[1].Label = nil
				c.Unread.Security = []snapshot.Gap{{Cause: snapshot.CauseDenied, Detail: "no right"}}
			},
			[]string{"no right"},
			nil,
		},
		"the credentials of one process were not": {
			func(c *snapshot.Container) { c.Processes[1].Credentials = nil },
			[]string{what + "the credentials of its processes were not read"},
			nil,
		},
		"what the pod asked for was not": {
			func(c *snapshot.Container) {
				c.Security = &inventory.Security{Spec: c.Security.Spec, Detail: "no JSON"}
			},
			[]string{what + "no JSON"},
			nil,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tracker Tracker
			if first := tracker.Next(Judge(labelledNode(0, complains))); len(first.Began) != 3 {
				t.Fatalf("%v began", reasonsOf(first.Began))
			}
			s := labelledNode(405, enforced())
			test.change(&s.Containers[0])
			next := tracker.Next(Judge(s))
			var unknown []string
			for _, u := range next.Unknown {
				unknown = append(unknown, u.Detail)
			}
			if diff := cmp.Diff(test.unknown, unknown); diff != "" {
				t.Errorf("unknown (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.ended, reasonsOf(next.Ended)); diff != "" {
				t.Errorf("ended (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDecodeRefusesCredentials has processes that refer to credentials that there are not: the
// checks take an index as it is.
func TestDecodeRefusesCredentials(t *testing.T) {
	t.Parallel()
	for index, refused := range map[int]bool{-1: true, 0: false, 1: false, 2: true, 1 << 40: true} {
		s := labelledNode(405, nil)
		s.Containers[0].Processes[1].Credentials[0].Set = index
		var file bytes.Buffer
		if err := snapshot.Encode(&file, s); err != nil {
			t.Fatal(err)
		}
		if _, err := snapshot.Decode(&file); (err != nil) != refused {
			t.Errorf("index %d: %v", index, err)
		}
	}
}
