// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// seenBy makes a snapshot one in which the runtime has answered.
func seenBy(source string, containers ...snapshot.Container) *snapshot.Snapshot {
	s := snapshotOf(containers...)
	s.Inventory.Source = source
	return s
}

// TestTracker has a container that shares the host's network, and what is seen next.
func TestTracker(t *testing.T) {
	t.Parallel()
	sharing := container("main", byPod(nsinspect.Net), process(11, hostNet, podPID, podIPC))
	clean := container("main", byPod(), isolated(11))
	restarted := sharing
	restarted.ID = "main-id-2"
	unread := clean
	unread.Unread.Gaps = []snapshot.Gap{{Cause: snapshot.CauseDenied, Detail: "no right"}}
	restartedUnread := unread
	restartedUnread.ID = "main-id-2"
	noHost := seenBy(inventory.FromContainerd)
	noHost.Host = nsinspect.HostReference{}
	noNet := seenBy(inventory.FromContainerd, clean)
	noNet.Host.Namespaces = nsinspect.Namespaces{}
	halfListed := seenBy(inventory.FromContainerd)
	halfListed.Inventory.Problems = []string{"containerd did not list its containers"}
	halfSeen := *halfListed
	halfSeen.Coverage.Gaps = []snapshot.Gap{{Cause: snapshot.CauseDenied, Detail: "process 77: no right"}}
	tests := map[string]struct {
		next         *snapshot.Snapshot
		began, ended []string
	}{
		"its successor could not be read": {next: seenBy(inventory.FromContainerd, restartedUnread)},
		"still there":                     {next: seenBy(inventory.FromContainerd, sharing)},
		"in a restarted container":        {next: seenBy(inventory.FromContainerd, restarted)},
		"the container is clean":          {next: seenBy(inventory.FromContainerd, clean), ended: []string{"HostNetworkShared"}},
		"the container is gone":           {next: seenBy(inventory.FromContainerd), ended: []string{"HostNetworkShared"}},
		"the container could not be read": {next: seenBy(inventory.FromContainerd, unread)},
		"containers may be missing from the list, and every process was seen": {next: halfListed, ended: []string{"HostNetworkShared"}},
		"containers may be missing from the list, and a process was not seen": {next: &halfSeen},
		"no runtime was asked":                 {next: seenBy(inventory.FromCgroups)},
		"no host reference":                    {next: noHost},
		"the host's network could not be read": {next: noNet},
		"something else": {
			next:  seenBy(inventory.FromContainerd, container("main", byPod(), process(11, podNet, hostPIDNS, podIPC))),
			began: []string{"UndeclaredHostPID"}, ended: []string{"HostNetworkShared"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tracker Tracker
			first := tracker.Next(Judge(seenBy(inventory.FromContainerd, sharing)))
			if diff := cmp.Diff([]string{"HostNetworkShared"}, reasonsOf(first.Began)); diff != "" {
				t.Fatalf("the first result began (-want +got):\n%s", diff)
			}
			second := tracker.Next(Judge(test.next))
			if diff := cmp.Diff(test.began, reasonsOf(second.Began)); diff != "" {
				t.Errorf("began (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.ended, reasonsOf(second.Ended)); diff != "" {
				t.Errorf("ended (-want +got):\n%s", diff)
			}
			third := tracker.Next(Judge(seenBy(inventory.FromContainerd)))
			if len(third.Ended) != 1 && len(test.ended) == 0 || len(third.Began) > 0 {
				t.Errorf("once the container is gone, %v began and %v ended", reasonsOf(third.Began), reasonsOf(third.Ended))
			}
		})
	}
}

// TestTrackerWithoutRuntime has a container that is known by its cgroup only, until a runtime
// names it.
func TestTrackerWithoutRuntime(t *testing.T) {
	t.Parallel()
	anonymous := container("", inventory.NoDeclaration("there is no containerd to ask"), process(11, hostNet, podPID, podIPC))
	clean := container("", inventory.NoDeclaration("there is no containerd to ask"), isolated(11))
	denied := seenBy(inventory.FromCgroups)
	denied.Coverage.Gaps = []snapshot.Gap{{Cause: snapshot.CauseDenied, Detail: "process 77: no right"}}
	named := container("main", byPod(nsinspect.Net), process(11, hostNet, podPID, podIPC))
	tests := map[string]struct {
		next         *snapshot.Snapshot
		began, ended []string
	}{
		"still there":                {next: seenBy(inventory.FromCgroups, anonymous)},
		"the container is gone":      {next: seenBy(inventory.FromCgroups), ended: []string{"UndeclaredHostNetwork"}},
		"not every process was seen": {next: denied},
		"it is clean":                {next: seenBy(inventory.FromCgroups, clean), ended: []string{"UndeclaredHostNetwork"}},
		"it has a name now": {
			next:  seenBy(inventory.FromContainerd, named),
			began: []string{"HostNetworkShared"}, ended: []string{"UndeclaredHostNetwork"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tracker Tracker
			if first := tracker.Next(Judge(seenBy(inventory.FromCgroups, anonymous))); len(first.Began) != 1 || !first.Began[0].Anonymous {
				t.Fatalf("the first result began %v", reasonsOf(first.Began))
			}
			got := tracker.Next(Judge(test.next))
			if diff := cmp.Diff(test.began, reasonsOf(got.Began)); diff != "" {
				t.Errorf("began (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.ended, reasonsOf(got.Ended)); diff != "" {
				t.Errorf("ended (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTrackerOfPorts has a port that is gone while nothing, something or everything of the
// container's ports could be read.
func TestTrackerOfPorts(t *testing.T) {
	t.Parallel()
	declared := inventory.Declaration{By: inventory.BySpec}
	tests := map[string]struct {
		unread snapshot.Unread
		ended  []string
	}{
		"everything was read":      {ended: []string{"UndeclaredHostPort"}},
		"sockets were not read":    {unread: snapshot.Unread{Sockets: map[socket.Protocol]snapshot.Gap{socket.TCP: {Cause: snapshot.CauseRead}}}},
		"forwards were not read":   {unread: snapshot.Unread{Forwards: []snapshot.Gap{{Cause: snapshot.CauseRead}}}},
		"ways that nobody can see": {unread: snapshot.Unread{Opaque: []snapshot.Gap{{Cause: snapshot.CauseDatapath}}}, ended: []string{"UndeclaredHostPort"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tracker Tracker
			tracker.Next(Judge(seenBy(inventory.FromContainerd, outsidePods(declared, listens(9090, 8))...)))
			containers := outsidePods(declared)
			containers[0].Unread = test.unread
			got := tracker.Next(Judge(seenBy(inventory.FromContainerd, containers...)))
			if diff := cmp.Diff(test.ended, reasonsOf(got.Ended)); diff != "" {
				t.Errorf("ended (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTrackerAndPolicy has a finding that a rule begins to expect, and then does not any more.
func TestTrackerAndPolicy(t *testing.T) {
	t.Parallel()
	judged := func(ruling *Ruling) *Result {
		result := Judge(seenBy(inventory.FromContainerd, container("main", byPod(nsinspect.Net), process(11, hostNet, podPID, podIPC))))
		result.Findings[0].Ruling = ruling
		return result
	}
	expected := &Ruling{Rule: "r", Expected: true}
	var tracker Tracker
	if got := tracker.Next(judged(expected)); len(got.Began)+len(got.Ended) > 0 {
		t.Errorf("an expected finding: %v began, %v ended", reasonsOf(got.Began), reasonsOf(got.Ended))
	}
	if got := tracker.Next(judged(nil)); len(got.Began) != 1 || len(got.Ended) != 0 {
		t.Errorf("expected no more: %v began, %v ended", reasonsOf(got.Began), reasonsOf(got.Ended))
	}
	if got := tracker.Next(judged(&Ruling{Rule: "severe"})); len(got.Began)+len(got.Ended) > 0 {
		t.Errorf("another severity: %v began, %v ended", reasonsOf(got.Began), reasonsOf(got.Ended))
	}
	if got := tracker.Next(judged(expected)); len(got.Began) != 0 || len(got.Ended) != 1 || !got.Ended[0].Expected() {
		t.Errorf("expected now: %v began, %v ended", reasonsOf(got.Began), reasonsOf(got.Ended))
	}
}

// TestTrackerOfPortsThatWait has a container that restarts again and again, and never listens on
// the port that it declares: that is one finding.
func TestTrackerOfPortsThatWait(t *testing.T) {
	t.Parallel()
	restarted := func(id string, age time.Duration) *snapshot.Snapshot {
		containers := podOf(true, nil, nil, tcp(8080))
		for i := range containers {
			containers[i].Pod, containers[i].RuntimeName = &inventory.Pod{Namespace: "default", Name: "p", UID: "u"}, "containerd"
		}
		containers[1].ID, containers[1].Name, containers[1].Age = id, "main", age
		s := lookedAt(containers, &snapshot.PortCoverage{})
		s.Inventory.Source = inventory.FromContainerd
		return s
	}
	var tracker Tracker
	if first := tracker.Next(Judge(restarted("a", time.Hour))); len(first.Began) != 1 {
		t.Fatalf("%v began", reasonsOf(first.Began))
	}
	for _, next := range []*snapshot.Snapshot{restarted("b", time.Second), restarted("b", time.Hour)} {
		if got := tracker.Next(Judge(next)); len(got.Began)+len(got.Ended) > 0 {
			t.Errorf("%v began, %v ended", reasonsOf(got.Began), reasonsOf(got.Ended))
		}
	}
}

func reasonsOf(findings []*Finding) []string {
	var reasons []string
	for _, finding := range findings {
		reasons = append(reasons, finding.Reason())
	}
	return reasons
}
