// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

func TestSubject(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("a", 64)
	web := &v1alpha1.Pod{Namespace: "default", Name: "web", UID: "u"}
	tests := map[string]struct {
		subject                                    Subject
		pod, name, text, uniqueName, inPod, onNode string
	}{
		"in a pod": {
			Subject{web, v1alpha1.ContainerRef{ID: id, Name: "main", Image: "alpine", RuntimeNamespace: "k8s.io"}},
			"default/web", "main", "default/web main", "main",
			"Container main", "Container k8s.io/" + id + " named main of image alpine in pod default/web",
		},
		"pause container": {
			Subject{web, v1alpha1.ContainerRef{ID: id, RuntimeNamespace: "k8s.io", Sandbox: true}},
			"default/web", "(pause)", "default/web (pause)", "(pause)",
			"The pause container", "Pause container k8s.io/" + id + " in pod default/web",
		},
		"in a pod of which the name is unknown": {
			Subject{&v1alpha1.Pod{UID: "u"}, v1alpha1.ContainerRef{ID: id, Runtime: "cri-containerd"}},
			"uid u", id[:12], "uid u " + id[:12], "cri-containerd/" + id,
			"A container", "Container cri-containerd/" + id + " in the pod with UID u",
		},
		"outside pods": {
			Subject{nil, v1alpha1.ContainerRef{ID: id, RuntimeNamespace: "moby", Runtime: "io.containerd.runc.v2"}},
			"-", "moby/" + id[:12], "moby/" + id[:12], "moby/" + id,
			"A container", "Container moby/" + id,
		},
		"outside pods, with a name": {
			Subject{nil, v1alpha1.ContainerRef{ID: id, Name: "web", RuntimeNamespace: "default"}},
			"-", "default/web", "default/web", "default/" + id,
			"Container web", "Container default/" + id + " named web",
		},
		"known by its cgroup only": {
			Subject{nil, v1alpha1.ContainerRef{ID: id, Runtime: "podman"}},
			"-", "podman/" + id[:12], "podman/" + id[:12], "podman/" + id,
			"A container", "Container podman/" + id,
		},
		"of no known runtime": {
			Subject{nil, v1alpha1.ContainerRef{ID: "web-1"}},
			"-", "web-1", "web-1", "unknown/web-1",
			"A container", "Container /web-1",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := test.subject
			want := []string{test.pod, test.name, test.text, test.uniqueName, test.inPod, test.onNode}
			if diff := cmp.Diff(want, []string{s.PodName(), s.Name(), s.String(), s.UniqueName(), s.InPod(), s.OnNode()}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// shadow is a listener that receives nothing.
func shadow(processes ...v1alpha1.Process) v1alpha1.Shadow {
	return v1alpha1.Shadow{Address: "[::]:22", UID: 7, Processes: processes}
}

func TestNote(t *testing.T) {
	t.Parallel()
	port := v1alpha1.Port{Protocol: "TCP", HostPort: 22, Way: "DNAT", Rule: &v1alpha1.Rule{Way: "nftables", Table: "ip nat", Target: "10.0.0.5:22"}}
	shadowing := func(shadows ...v1alpha1.Shadow) v1alpha1.Evidence {
		shadowed := port
		shadowed.Shadows = shadows
		return v1alpha1.Evidence{Ports: []v1alpha1.Port{shadowed}}
	}
	ports := v1alpha1.Evidence{Ports: []v1alpha1.Port{port, {Protocol: "UDP", HostPort: 53}}, MorePorts: 1}
	shared := v1alpha1.Evidence{Kind: "net", Namespace: v1alpha1.NamespaceID{Dev: 4, Ino: 7}, Processes: []v1alpha1.Process{{PID: 11, Command: "sh"}}}
	joined := shared
	joined.JoinedPath = "/x"
	sshd, nginx := v1alpha1.Process{PID: 812, Command: "sshd"}, v1alpha1.Process{PID: 9}
	tests := map[string]struct {
		finding  v1alpha1.Finding
		declared v1alpha1.Declaration
		want     string
	}{
		"shared, declared by a spec": {
			finding: v1alpha1.Finding{DeclaredBy: v1alpha1.BySpec, Evidence: shared},
			want:    "shares the host's network namespace net:[7], as its runtime spec declares: pid 11 (sh).",
		},
		"joined, declared by nobody": {
			finding: v1alpha1.Finding{DeclaredBy: v1alpha1.ByNobody, Evidence: joined},
			want:    "shares the host's network namespace net:[7], which nobody declared: pid 11 (sh), joined by path /x.",
		},
		"shared, the declaration is unknown": {
			finding:  v1alpha1.Finding{DeclaredBy: v1alpha1.ByUnknown, Evidence: shared},
			declared: v1alpha1.Declaration{Reason: "no sandbox"},
			want:     "shares the host's network namespace net:[7], and it is unknown whether that was declared (no sandbox): pid 11 (sh).",
		},
		"shared, the declaration is unknown without a cause": {
			finding: v1alpha1.Finding{DeclaredBy: v1alpha1.ByUnknown, Evidence: shared},
			want:    "shares the host's network namespace net:[7], and it is unknown whether that was declared: pid 11 (sh).",
		},
		"seen once, and gone": {
			finding: v1alpha1.Finding{DeclaredBy: v1alpha1.ByNobody, Verdict: "Undeclared", Evidence: past(0, 1)},
			want:    "was in the host's network namespace net:[7], at 14:02:11 UTC, which nobody declared; it has left: pid 11 (sh).",
		},
		"seen several times, and gone": {
			finding: v1alpha1.Finding{DeclaredBy: v1alpha1.ByNobody, Verdict: "Undeclared", Evidence: past(4*time.Minute, 3)},
			want:    "was in the host's network namespace net:[7], seen 3 times from 13:58:11 to 14:02:11 UTC, which nobody declared; it has left: pid 11 (sh).",
		},
		"not in effect, without a process": {
			finding: v1alpha1.Finding{Verdict: v1alpha1.NotInEffect, DeclaredBy: v1alpha1.ByPod, Evidence: v1alpha1.Evidence{Kind: "ipc"}},
			want:    "does not share the host's IPC namespace, though its pod declares that.",
		},
		"ports, declared": {
			finding: v1alpha1.Finding{DeclaredBy: v1alpha1.ByPod, Evidence: ports},
			want:    "is reachable on host ports 22/TCP -> 10.0.0.5:22 (DNAT, nftables ip nat) and 2 more, declared by its pod.",
		},
		"a port that was not listed": {
			finding: v1alpha1.Finding{Verdict: v1alpha1.Unlisted, DeclaredBy: v1alpha1.ByPod, Evidence: onPort(v1alpha1.Port{Protocol: "TCP", HostPort: 80, Processes: []v1alpha1.Process{nginx}})},
			want:    "is reachable on host port 80/TCP of pid 9: its pod declares the host's network, and does not list the port.",
		},
		"ports that were not listed": {
			finding: v1alpha1.Finding{Verdict: v1alpha1.Unlisted, DeclaredBy: v1alpha1.BySpec, Evidence: ports},
			want:    "is reachable on host ports 22/TCP -> 10.0.0.5:22 (DNAT, nftables ip nat) and 2 more: its runtime spec declares the host's network, and does not list the ports.",
		},
		"a port, the declaration is unknown": {
			finding:  v1alpha1.Finding{DeclaredBy: v1alpha1.ByUnknown, Evidence: shadowing()},
			declared: v1alpha1.Declaration{PortsReason: "Docker"},
			want:     "is reachable on host port 22/TCP -> 10.0.0.5:22 (DNAT, nftables ip nat), and it is unknown whether that was declared (Docker).",
		},
		"a port that leads nowhere": {
			finding: v1alpha1.Finding{Verdict: v1alpha1.NotInEffect, DeclaredBy: v1alpha1.ByPod, Evidence: v1alpha1.Evidence{Ports: []v1alpha1.Port{{Protocol: "TCP", HostPort: 80}}}},
			want:    "is not reachable on host port 80/TCP, though its pod declares that: no rule of the host forwards it.",
		},
		"a port in the host's network that leads nowhere": {
			finding:  v1alpha1.Finding{Verdict: v1alpha1.NotInEffect, DeclaredBy: v1alpha1.ByPod, Evidence: v1alpha1.Evidence{Ports: []v1alpha1.Port{{Protocol: "TCP", HostPort: 80}}}},
			declared: v1alpha1.Declaration{Host: []v1alpha1.Kind{"net"}},
			want:     "is not reachable on host port 80/TCP, though its pod declares that: none of its processes listens there.",
		},
		"a shadowed listener, on both families": {
			finding: v1alpha1.Finding{Verdict: v1alpha1.Shadows, DeclaredBy: v1alpha1.ByPod, Evidence: shadowing(shadow(sshd), shadow(sshd))},
			want:    "receives the traffic to host port 22/TCP -> 10.0.0.5:22 (DNAT, nftables ip nat); pid 812 (sshd) also listens there and receives none.",
		},
		"another's port": {
			finding: v1alpha1.Finding{Verdict: v1alpha1.Hijacks, DeclaredBy: v1alpha1.ByNobody, Evidence: v1alpha1.Evidence{Ports: []v1alpha1.Port{{
				Protocol: "TCP", HostPort: 80, Way: "DNAT", DeclaredFor: []string{"0123456789abcdef", "b"},
				Rule: &v1alpha1.Rule{Way: "nftables", Table: "ip nat", Target: "10.0.0.5:80", LastTarget: "10.0.0.6"},
			}}}},
			want: "receives what comes to host port 80/TCP -> 10.0.0.5:80 to 10.0.0.6 (DNAT, nftables ip nat) " +
				"declared by container 0123456789ab and 1 more, though that is another container's.",
		},
		"another user than declared": {
			finding: v1alpha1.Finding{
				Check: "RootUser", Verdict: "Undeclared", DeclaredBy: v1alpha1.ByNobody,
				Evidence: v1alpha1.Evidence{Actual: []string{"uid 0"}, Declared: []string{"uid 405"}, Processes: []v1alpha1.Process{{PID: 12, Command: "sh"}, nginx}},
			},
			want: "has processes that run as root: uid 0; declared: uid 405; pid 12 (sh) and 1 more.",
		},
		"a profile that is not in effect": {
			finding: v1alpha1.Finding{
				Check: "Seccomp", Verdict: v1alpha1.NotInEffect, DeclaredBy: v1alpha1.ByPod,
				Evidence: v1alpha1.Evidence{Declared: []string{"RuntimeDefault"}},
			},
			want: "runs without the seccomp profile that its pod declares: declared: RuntimeDefault.",
		},
		"the posture": {
			finding: v1alpha1.Finding{
				Check: "Capabilities", Verdict: "Allowed", DeclaredBy: v1alpha1.ByPod,
				Evidence: v1alpha1.Evidence{Actual: []string{"a", "b", "c", "d", "e", "f", "g"}, MoreActual: 3},
			},
			want: "has capabilities beyond the runtime's default ones: a, b, c, d, e, f and 4 more.",
		},
		"a check that is not known": {
			finding: v1alpha1.Finding{Check: "New", Reason: "UndeclaredNew", DeclaredBy: v1alpha1.ByNobody, Evidence: v1alpha1.Evidence{Actual: []string{"x"}}},
			want:    "has the finding UndeclaredNew: x.",
		},
		"shadowed listeners": {
			finding: v1alpha1.Finding{Verdict: v1alpha1.Shadows, DeclaredBy: v1alpha1.ByPod, Evidence: shadowing(shadow(), shadow(nginx), shadow(sshd))},
			want:    "receives the traffic to host port 22/TCP -> 10.0.0.5:22 (DNAT, nftables ip nat); a socket of uid 7 and 2 more also listen there and receive none.",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, Note(&test.finding, &test.declared, Limits{Processes: 1, Ports: 1})); diff != "" {
				t.Errorf("note (-want +got):\n%s", diff)
			}
		})
	}
}

// past is a process that has left the host's network.
func past(lasted time.Duration, count uint64) v1alpha1.Evidence {
	last := time.Date(2026, 5, 4, 14, 2, 11, 0, time.UTC)
	first := last.Add(-lasted)
	return v1alpha1.Evidence{
		Kind: "net", Namespace: v1alpha1.NamespaceID{Dev: 4, Ino: 7}, Processes: []v1alpha1.Process{{PID: 11, Command: "sh"}},
		Past: true, First: &first, Last: &last, Count: count,
	}
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	threads := []v1alpha1.Process{
		{PID: 1, Command: "a", Threads: 1, TIDs: []int{4}},
		{PID: 2, Threads: 3, TIDs: []int{7, 8}},
		{PID: 3, Threads: 2},
	}
	tests := map[string]struct {
		evidence v1alpha1.Evidence
		want     string
	}{
		"threads":             {v1alpha1.Evidence{Processes: threads}, "pid 1 (a) thread 4, pid 2 3 threads, first 7 and 1 more"},
		"more than are named": {v1alpha1.Evidence{Processes: threads, MoreProcesses: 5}, "pid 1 (a) thread 4, pid 2 3 threads, first 7 and 6 more"},
		"an address":          {onPort(v1alpha1.Port{Protocol: "TCP", HostAddress: "127.0.0.1", HostPort: 80}), "127.0.0.1:80/TCP"},
		"an address of IPv6":  {onPort(v1alpha1.Port{Protocol: "TCP", HostAddress: "::1", HostPort: 80}), "[::1]:80/TCP"},
		"IPv4 as IPv6":        {onPort(v1alpha1.Port{Protocol: "TCP", HostAddress: "::ffff:127.0.0.1", HostPort: 80}), "::ffff:127.0.0.1:80/TCP"},
		"a range":             {onPort(v1alpha1.Port{Protocol: "UDP", HostPort: 8000, LastPort: 8010}), "8000-8010/UDP"},
		"an IP protocol":      {onPort(v1alpha1.Port{Protocol: v1alpha1.Raw, HostPort: 89}), "IP protocol 89"},
		"with processes":      {onPort(v1alpha1.Port{Protocol: "TCP", HostPort: 80, Processes: threads[2:], MoreProcesses: 9}), "80/TCP of pid 3 and 9 more"},
		"no evidence at all":  {v1alpha1.Evidence{}, ""},
		"seen and gone":       {past(0, 1), "has left: pid 11 (sh), at 14:02:11 UTC"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, Evidence(&test.evidence, Limits{Processes: 2, Ports: 2})); diff != "" {
				t.Errorf("evidence (-want +got):\n%s", diff)
			}
		})
	}
}

func onPort(port v1alpha1.Port) v1alpha1.Evidence {
	return v1alpha1.Evidence{Ports: []v1alpha1.Port{port}}
}
