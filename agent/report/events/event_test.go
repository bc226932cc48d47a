// SPDX-License-Identifier: Apache-2.0

package events

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report/reporttest"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

var firstSeen = time.Date(2026, 11, 23, 20, 45, 1, 123456789, time.UTC)

// eventsOf are the Events of a node that nothing is known of.
func eventsOf(node *audit.Result, mode Mode) []event {
	return (&Reporter{node: nodeName, mode: mode}).eventsOf(node)
}

// objects are the Events of a node in a mode, each at its first choice of place.
func objects(node *audit.Result, mode Mode) []*eventsv1.Event {
	var all []*eventsv1.Event
	for _, e := range eventsOf(node, mode) {
		s := newState(e, 1, firstSeen, firstSeen)
		all = append(all, e.object(s.place(), nodeName, s.first))
	}
	return all
}

// goldenNode has one of everything.
func goldenNode() *audit.Result {
	joined := bare("web-1", inHostNet(41, "sh"))
	joined.Declared.Joined = map[nsinspect.Kind]string{nsinspect.Net: "/proc/1/ns/net"}
	bySpec := bare("web-2", inHostNet(42, "nginx"))
	bySpec.Declared.Host = []nsinspect.Kind{nsinspect.Net}
	foreign := snapshot.Container{
		Container: inventory.FromCgroup(runtimes.Ref{ID: containerID("e"), Runtime: "podman"}, "containerd does not know this container"),
		Processes: []snapshot.Process{inHostNet(51, "nginx")},
	}
	unnamed := snapshot.Container{
		Container: inventory.FromCgroup(runtimes.Ref{ID: containerID("f"), Runtime: "containerd", PodUID: "uid-f"}, "containerd is down"),
		Processes: []snapshot.Process{inHostNet(61, "nginx")},
	}
	hostile := inPod("../../\x1b[31mkube", "8", nil, inHostNet(81, "a\nb\x1b[0m\u202e"))
	hostile.Name = "x\ny"
	return nodeOf(
		inPod("host-network", "a", []nsinspect.Kind{nsinspect.Net}, inHostNet(11, "sleep")),
		inPod("host-pid-and-ipc", "b", []nsinspect.Kind{nsinspect.PID, nsinspect.IPC}, process(21, "sleep", nstest.Group(1, 101, 2, 3))),
		inPod("normal", "c", nil,
			process(31, "", nstest.Group(1, 101, 102, 103)),
			process(32, "a\nb\x1b[31m", nstest.Group(59, 101, 102, 103, 32, 33), nstest.Group(1, 1, 102, 103, 40)),
			inHostNet(33, "one"), inHostNet(34, "two"), inHostNet(35, "three")),
		inPod("mistaken", "9", []nsinspect.Kind{nsinspect.Net}, process(71, "", nstest.Group(1, 301, 302, 303))),
		pause("starting", "d", []nsinspect.Kind{nsinspect.Net}, inHostNet(91, "pause")),
		pause("intruded", "7", nil, inHostNet(92, "sh")),
		joined, bySpec, foreign, unnamed, hostile,
		behindPorts("forwarded", "1", []inventory.Port{tcpPort(9000), tcpPort(22)}, nil,
			forward(9000), forward(22, heldSocket(22, "sshd"))),
		behindPorts("missing", "2", []inventory.Port{tcpPort(9000)}, nil),
		behindPorts("many", "3", nil, []snapshot.Socket{
			heldSocket(8001, "a\nb"), heldSocket(8002, "nc"), heldSocket(8003, "nc"), heldSocket(8004, "nc"), heldSocket(8005, "nc"), heldSocket(8006, "nc"),
		}),
	)
}

// behindPorts is a pod's container that ports of the host lead to.
func behindPorts(name, letter string, declared []inventory.Port, sockets []snapshot.Socket, forwards ...snapshot.Forward) snapshot.Container {
	c := inPod(name, letter, nil, process(91, "server", nstest.Sharing()))
	c.Declared.Ports, c.Sockets, c.Forwards = declared, sockets, forwards
	return c
}

func tcpPort(number uint16) inventory.Port {
	return inventory.Port{Protocol: socket.TCP, HostPort: number, ContainerPort: 8080}
}

func heldSocket(port uint16, command string) snapshot.Socket {
	return snapshot.Socket{Socket: nstest.Listener(port), Holders: []snapshot.Holder{{PID: 812, Command: command}}}
}

func forward(port uint16, shadows ...snapshot.Socket) snapshot.Forward {
	return snapshot.Forward{Forward: nstest.Forward(port), Shadows: shadows}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	got, err := yaml.Marshal(objects(goldenNode(), All))
	if err != nil {
		t.Fatal(err)
	}
	reporttest.Golden(t, "testdata/events.yaml", string(got))
}

func TestWhichFindingsGetAnEvent(t *testing.T) {
	t.Parallel()
	net := []nsinspect.Kind{nsinspect.Net}
	tests := map[string]struct {
		containers []snapshot.Container
		want       []string
	}{
		"nothing": {containers: []snapshot.Container{inPod("p", "a", nil, process(11, "", nstest.Group(1, 101, 102, 103)))}},
		"declared": {
			containers: []snapshot.Container{inPod("p", "a", net, inHostNet(11, ""))},
			want:       []string{"Normal HostNetworkShared Pod/p spec.containers{main}"},
		},
		"undeclared": {
			containers: []snapshot.Container{inPod("p", "a", nil, inHostNet(11, ""))},
			want:       []string{"Warning UndeclaredHostNetwork Pod/p spec.containers{main}"},
		},
		"declared but not in effect": {
			containers: []snapshot.Container{inPod("p", "a", net, process(11, "", nstest.Group(1, 101, 102, 103)))},
			want:       []string{"Normal HostNetworkNotInEffect Pod/p spec.containers{main}"},
		},
		"ports that are declared, are not, and lead nowhere": {
			containers: []snapshot.Container{
				behindPorts("p", "a", []inventory.Port{tcpPort(9000)}, nil, forward(9000), forward(9001)),
				behindPorts("q", "b", []inventory.Port{tcpPort(9002)}, nil),
			},
			want: []string{
				"Warning UndeclaredHostPort Pod/p spec.containers{main}",
				"Warning HostPortNotInEffect Pod/q spec.containers{main}",
				"Normal HostPortBound Pod/p spec.containers{main}",
			},
		},
		"a declared port that is taken from a process of the host": {
			containers: []snapshot.Container{behindPorts("p", "a", []inventory.Port{tcpPort(22)}, nil, forward(22, heldSocket(22, "sshd")))},
			want: []string{
				"Warning HostPortShadowsListener Pod/p spec.containers{main}",
				"Normal HostPortBound Pod/p spec.containers{main}",
			},
		},
		"a sandbox that declares it": {containers: []snapshot.Container{pause("p", "a", net, inHostNet(11, ""))}},
		"a sandbox that declares it without effect": {
			containers: []snapshot.Container{pause("p", "a", net, process(11, "", nstest.Group(1, 101, 102, 103)))},
		},
		"a sandbox that does not declare it": {
			containers: []snapshot.Container{pause("p", "a", nil, inHostNet(11, ""))},
			want:       []string{"Warning UndeclaredHostNetwork Pod/p "},
		},
		"without a pod": {
			containers: []snapshot.Container{bare("web", inHostNet(11, ""))},
			want:       []string{"Warning UndeclaredHostNetwork Node/node-1 "},
		},
		"warnings first": {
			containers: []snapshot.Container{
				inPod("a", "a", net, inHostNet(11, "")), inPod("b", "b", nil, inHostNet(12, "")),
				inPod("c", "c", net, inHostNet(13, "")), inPod("d", "d", nil, inHostNet(14, "")),
			},
			want: []string{
				"Warning UndeclaredHostNetwork Pod/b spec.containers{main}",
				"Warning UndeclaredHostNetwork Pod/d spec.containers{main}",
				"Normal HostNetworkShared Pod/a spec.containers{main}",
				"Normal HostNetworkShared Pod/c spec.containers{main}",
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var warnings []string
			for _, line := range test.want {
				if strings.HasPrefix(line, "Warning ") {
					warnings = append(warnings, line)
				}
			}
			for mode, want := range map[Mode][]string{All: test.want, Warnings: warnings} {
				var got []string
				for _, o := range objects(nodeOf(test.containers...), mode) {
					got = append(got, o.Type+" "+o.Reason+" "+o.Regarding.Kind+"/"+o.Regarding.Name+" "+o.Regarding.FieldPath)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("events in mode %s (-want +got):\n%s", mode, diff)
				}
			}
		})
	}
}

// TestUnfit lets nothing that the API server would refuse be about a pod.
func TestUnfit(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*inventory.Pod){
		"name with capitals":    func(p *inventory.Pod) { p.Name = "Web" },
		"name too long":         func(p *inventory.Pod) { p.Name = strings.Repeat("a", 254) },
		"no name":               func(p *inventory.Pod) { p.Name = "" },
		"namespace with a dot":  func(p *inventory.Pod) { p.Namespace = "kube.system" },
		"namespace with a path": func(p *inventory.Pod) { p.Namespace = "../nodes" },
		"no namespace":          func(p *inventory.Pod) { p.Namespace = "" },
		"UID with a line break": func(p *inventory.Pod) { p.UID = "a\nb" },
		"UID too long":          func(p *inventory.Pod) { p.UID = strings.Repeat("a", 64) },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := hostNet("a")
			spoil(c.Pod)
			got := objects(nodeOf(c), Warnings)[0]
			if got.Namespace != "default" || got.Regarding.Kind != "Node" || got.Regarding.Name != nodeName {
				t.Errorf("got an event in %q about %+v, want it about the node", got.Namespace, got.Regarding)
			}
			checkObject(t, got)
		})
	}
}

// TestKey says what makes an Event another one.
func TestKey(t *testing.T) {
	t.Parallel()
	keyOf := func(c snapshot.Container) string { return eventsOf(nodeOf(c), All)[0].key }
	base := keyOf(hostNet("a"))
	tests := map[string]struct {
		change func(*snapshot.Container)
		same   bool
	}{
		"a restart":            {func(c *snapshot.Container) { c.ID = containerID("b") }, true},
		"another process":      {func(c *snapshot.Container) { c.Processes[0] = inHostNet(99, "x") }, true},
		"another image":        {func(c *snapshot.Container) { c.Image = "x" }, true},
		"another name":         {func(c *snapshot.Container) { c.Name = "side" }, false},
		"another pod":          {func(c *snapshot.Container) { c.Pod.Name = "api" }, false},
		"another UID":          {func(c *snapshot.Container) { c.Pod.UID = "uid-b" }, false},
		"another namespace":    {func(c *snapshot.Container) { c.Pod.Namespace = "default" }, false},
		"another reason":       {func(c *snapshot.Container) { c.Declared.Host = []nsinspect.Kind{nsinspect.Net} }, false},
		"parts that run on":    {func(c *snapshot.Container) { c.Pod.UID, c.Name = "uid-a\" \"main", "" }, false},
		"a pod without a name": {func(c *snapshot.Container) { c.Pod.Name = "" }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := hostNet("a")
			test.change(&c)
			if same := keyOf(c) == base; same != test.same {
				t.Errorf("same event: %t, want %t", same, test.same)
			}
		})
	}
}

// checkObject checks what the API server checks, and what people rely on, of an Event about a
// finding.
func checkObject(t *testing.T, event *eventsv1.Event) {
	t.Helper()
	checkShown(t, event)
	for _, word := range []string{"the host's network namespace", "nobody declared"} {
		if !strings.Contains(event.Note, word) {
			t.Errorf("the note lacks %q: %s", word, event.Note)
		}
	}
}

// checkShown checks that an Event can be sent and shown.
func checkShown(t *testing.T, event *eventsv1.Event) {
	t.Helper()
	if err := validate(event); err != nil {
		t.Errorf("the API server would refuse it: %v", err)
	}
	for what, text := range map[string]string{
		"note": event.Note, "UID": string(event.Regarding.UID), "field path": event.Regarding.FieldPath,
	} {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s is not fit to be shown: %q", what, text)
		}
	}
}

func FuzzEvent(f *testing.F) {
	f.Add("apps", "web", "uid-1", "main", "k8s.io", "0123", "alpine", "sh")
	f.Add("", "", "", "", "", "", "", "")
	f.Add("../x", "a\x00b", "\xff", "spec.containers{x}", "\u202e", "\x1b[31m", strings.Repeat("é", 400), "a\nb")
	f.Add("apps", strings.Repeat("a.", 126)+"a", strings.Repeat("u", 63), strings.Repeat("c", 63), "k8s.io", "0", "…", "\\")
	f.Fuzz(func(t *testing.T, namespace, name, uid, container, runtimeNamespace, id, image, command string) {
		c := inPod(name, "a", nil, inHostNet(11, command))
		c.Pod.Namespace, c.Pod.UID = namespace, uid
		c.Name, c.RuntimeNamespace, c.ID, c.Image = container, runtimeNamespace, id, image
		e := eventsOf(nodeOf(c), All)[0]
		s := newState(e, 1, firstSeen, firstSeen)
		checkObject(t, e.object(s.place(), nodeName, firstSeen))
		checkObject(t, e.object(e.node, nodeName, firstSeen))
	})
}

// FuzzNotice has what others chose in the Events that are not about a finding as it is now.
func FuzzNotice(f *testing.F) {
	f.Add("web", "main", "kube-proxy", "/etc/nsaudit/policy.yaml: line 3: unknown key \"x\"")
	f.Add("../x", "a\x00b", "\xff", "a\nb\t\x1b[31m")
	f.Add(strings.Repeat("a.", 126)+"a", strings.Repeat("é", 400), strings.Repeat("r", 400), strings.Repeat("é", 4000))
	f.Fuzz(func(t *testing.T, pod, container, rule, note string) {
		c := inPod(pod, "a", nil, inHostNet(11, "sh"))
		c.Name = container
		covered := expected(c)
		covered.Findings[0].Ruling.Rule = rule
		for _, result := range []*audit.Result{nodeOf(c), covered} {
			finding := &result.Findings[0]
			e := newEvent(finding, corev1.EventTypeWarning, nodeName)
			end := e.ended(finding, finding.Ruling != nil)
			s := newState(end, 1, firstSeen, firstSeen)
			checkShown(t, end.object(s.place(), nodeName, firstSeen))
			checkShown(t, end.object(end.node, nodeName, firstSeen))
		}
		notice := newNotice("PolicyInvalid", note, nodeName)
		over := notice.over()
		checkShown(t, notice.object(notice.node, nodeName, firstSeen))
		checkShown(t, over.object(over.node, nodeName, firstSeen))
	})
}

func TestLongNodeName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a.", validation.DNS1123SubdomainMaxLength/2) + "a"
	e := (&Reporter{node: long, mode: Warnings}).eventsOf(nodeOf(bare("web", inHostNet(11, "sh"))))[0]
	checkObject(t, e.object(e.node, long, firstSeen))
	if e.eventType != corev1.EventTypeWarning {
		t.Errorf("type is %s", e.eventType)
	}
}
