// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// TestHeld has containers with a hold of the host's network.
func TestHeld(t *testing.T) {
	t.Parallel()
	outside, inside := process(11, podNet, podPID, podIPC), process(11, hostNet, podPID, podIPC)
	file := snapshot.Held{Kind: nsinspect.Net, Way: snapshot.HeldFile, PID: 11, Detail: "3"}
	queue := snapshot.Held{Kind: nsinspect.IPC, Way: snapshot.HeldMount, Detail: "/tmp/q"}
	tests := map[string]struct {
		containers []snapshot.Container
		want       []string
	}{
		"nobody declared it":         {[]snapshot.Container{withHeld(container("main", byPod(), outside), file)}, []string{"main HostNetworkHeld nobody medium"}},
		"two kinds":                  {[]snapshot.Container{withHeld(container("main", byPod(), outside), file, queue)}, []string{"main HostNetworkHeld nobody medium", "main HostIPCHeld nobody medium"}},
		"it is not known":            {[]snapshot.Container{withHeld(container("main", inventory.NoDeclaration("x"), outside), file)}, []string{"main HostNetworkHeld unknown low"}},
		"its pod declared it":        {[]snapshot.Container{withHeld(container("main", byPod(nsinspect.Net), inside), file)}, []string{"main HostNetworkShared pod info"}},
		"it is in the namespace too": {[]snapshot.Container{withHeld(container("main", byPod(), inside), file)}, []string{"main UndeclaredHostNetwork nobody high"}},
		"the pause container and another": {
			[]snapshot.Container{withHeld(pause(byPod(), outside), file), withHeld(container("main", byPod(), outside), file)},
			[]string{" HostNetworkHeld nobody medium", "main HostNetworkHeld nobody medium"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, f := range Judge(snapshotOf(test.containers...)).Findings {
				got = append(got, f.Container.Name+" "+f.Reason()+" "+string(f.DeclaredBy)+" "+string(f.Severity))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func withHeld(container snapshot.Container, held ...snapshot.Held) snapshot.Container {
	container.Held = held
	return container
}

// TestHeldIsCapped has more ways than a finding names.
func TestHeldIsCapped(t *testing.T) {
	t.Parallel()
	var held []snapshot.Held
	for i := range maxEvidence + 3 {
		held = append(held, snapshot.Held{Kind: nsinspect.Net, Way: snapshot.HeldFile, PID: 11 + i})
	}
	found := Judge(snapshotOf(withHeld(container("main", byPod(), process(11, podNet, podPID, podIPC)), held...))).Findings[0]
	if e := found.Evidence.(*NamespaceEvidence); len(e.Held) != maxEvidence || e.MoreHeld != 3 {
		t.Errorf("%d ways, and %d more", len(e.Held), e.MoreHeld)
	}
}

// TestHeldUnread has a container whose files could not all be listed: that is said once.
func TestHeldUnread(t *testing.T) {
	t.Parallel()
	gap := snapshot.Gap{Cause: snapshot.CauseLimit, Detail: "too many files"}
	unread := container("main", byPod(), process(11, podNet, podPID, podIPC))
	unread.Unread.Held = []snapshot.Gap{gap}
	other := unread
	snapshot.MarkSockets(&other.Unread, gap)
	for name, container := range map[string]snapshot.Container{"with its sockets": other, "alone": unread} {
		snap := snapshotOf(container)
		snap.Ports = &snapshot.PortCoverage{Ways: map[socket.Protocol]socket.Source{socket.TCP: socket.SockDiag}}
		if unknown := Judge(snap).Unknown; len(unknown) != 1 || unknown[0].Cause != gap.Cause {
			t.Errorf("%s: unknown %+v", name, unknown)
		}
	}
}
