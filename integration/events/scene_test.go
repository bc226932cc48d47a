// SPDX-License-Identifier: Apache-2.0

//go:build integration

package events_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	eventsv1client "k8s.io/client-go/kubernetes/typed/events/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report/events"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

// user is who the reporters are to the API server. It has the rights of the agent, and no other.
const user = "nsaudit-faults"

// settled is long enough for what is pending to be sent once nothing is in its way: the longest wait between two
// attempts, and the time that as many Events as a test has take.
const settled = 3 * time.Minute

// scene is a test's own namespace and node, with a proxy between its reporters and the API server.
type scene struct {
	namespace, node string
	proxy           *proxy
	random          *rand.Rand
	all             eventsv1client.EventsV1Interface
	total           *tally
}

func newScene(t *testing.T, name string, seed uint64, total *tally) *scene {
	t.Helper()
	config := clusterConfig(t)
	all, err := eventsv1client.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	own := rest.CopyConfig(config)
	own.Impersonate = rest.ImpersonationConfig{UserName: user}
	s := &scene{
		namespace: fmt.Sprintf("faults-%s-%x", name, time.Now().UnixMilli()&0xffffff),
		proxy:     newProxy(t, own),
		random:    rand.New(&locked{source: rand.NewPCG(seed, hash(name))}),
		all:       all, total: total,
	}
	s.node = s.namespace + "-node"
	kindtest.Do(t, "create", "namespace", s.namespace)
	t.Cleanup(func() { s.remove(t) })
	return s
}

// locked is a source of random numbers for several goroutines.
type locked struct {
	mu     sync.Mutex
	source rand.Source
}

func (l *locked) Uint64() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.source.Uint64()
}

// hash gives each test numbers of its own.
func hash(name string) uint64 {
	var sum uint64
	for _, b := range []byte(name) {
		sum = sum*31 + uint64(b)
	}
	return sum
}

func clusterConfig(t testing.TB) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kindtest.Kubeconfig(t))
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 100, 200
	return config
}

// remove removes what the test has left, also in the namespace of the Events about nodes.
func (s *scene) remove(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	for _, event := range s.list(t) {
		if event.Namespace == metav1.NamespaceDefault {
			_ = s.all.Events(event.Namespace).Delete(ctx, event.Name, metav1.DeleteOptions{}) // It may have expired.
		}
	}
	kindtest.Kubectl(t, "delete", "namespace", s.namespace, "--wait=false", "--ignore-not-found")
}

// list returns the Events of the scene's node.
func (s *scene) list(t *testing.T) []eventsv1.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	list, err := s.all.Events("").List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var own []eventsv1.Event
	for i := range list.Items {
		if event := &list.Items[i]; event.ReportingController == events.Controller && event.ReportingInstance == s.node {
			own = append(own, *event)
		}
	}
	return own
}

// agent is what reports in an agent: a reporter, and what follows the findings.
type agent struct {
	*events.Reporter
	scene   *scene
	tracker audit.Tracker
	// kill ends it without sending what is pending, and does not wait. Gone is closed once it has ended.
	kill context.CancelFunc
	gone chan struct{}
	// seen are the IDs of all findings that it was given.
	seen map[string]bool
}

// start starts an agent. Nothing is known of an earlier one.
func (s *scene) start(t *testing.T, change func(*events.Config)) *agent {
	t.Helper()
	client, err := events.NewClient(&rest.Config{Host: "http://" + s.proxy.address, QPS: 20, Burst: 60})
	if err != nil {
		t.Fatal(err)
	}
	config := events.Config{Client: client, Node: s.node, Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&config)
	}
	reporter, err := events.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	a := &agent{Reporter: reporter, scene: s, kill: cancel, gone: make(chan struct{}), seen: make(map[string]bool)}
	go func() {
		defer close(a.gone)
		if err := reporter.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-a.gone
	})
	return a
}

// everyMinute is for a reporter that takes the API server to keep Events for a minute, so that it refreshes them twice
// in that.
func everyMinute(config *events.Config) { config.TTL = time.Minute }

// pods are containers with one finding that warns each.
func (s *scene) pods(name string, n int) []snapshot.Container {
	containers := make([]snapshot.Container, n)
	for i := range containers {
		pod := fmt.Sprintf("%s-%03d", name, i)
		containers[i] = snapshot.Container{
			Container: inventory.Container{
				ID: fmt.Sprintf("%064x", i), RuntimeNamespace: "k8s.io", Name: "main", SandboxID: pod,
				Pod:    &inventory.Pod{Namespace: s.namespace, Name: pod, UID: "uid-" + pod},
				Status: inventory.Running, PID: 100 + i, Declared: inventory.Declaration{By: inventory.ByPod},
			},
			Processes: []snapshot.Process{{PID: 100 + i, Command: "sleep", Groups: []nsinspect.ThreadGroup{nstest.Sharing(nsinspect.Net)}}},
		}
	}
	return containers
}

// see lets an agent see these containers on its node, and no others.
func (a *agent) see(containers ...snapshot.Container) {
	result := audit.Judge(&snapshot.Snapshot{
		Node: a.scene.node, Time: time.Now(), Host: nstest.Host(), Containers: containers,
		Inventory: inventory.Inventory{Source: inventory.FromContainerd}, Ports: &snapshot.PortCoverage{},
	})
	for i := range result.Findings {
		a.seen[result.Findings[i].ID] = true
	}
	a.Publish(a.tracker.Next(result))
}

// settle waits until nothing is pending.
func (a *agent) settle(t *testing.T) {
	t.Helper()
	if err := eventually.Holds(settled, "nothing is pending", func() bool { return a.Pending() == 0 }); err != nil {
		t.Fatalf("%v: %d are: %v", err, a.Pending(), a.Err())
	}
}

// tally counts findings and what the API server has of them.
type tally struct {
	mu                                      sync.Mutex
	Findings, Events, Lost, Duplicate, Ends int
	Faults                                  map[fault]int
}

// count compares the findings with the Events about them. Every one of want has exactly one, and none has more. With
// ended, that holds for the Events that say that they have ended too.
func (s *scene) count(t *testing.T, want map[string]bool, ended bool) {
	t.Helper()
	found, ends := make(map[string]int), make(map[string]int)
	for _, event := range s.list(t) {
		id := event.Annotations["nsaudit.io/finding-id"]
		switch {
		case id == "":
		case strings.HasSuffix(event.Reason, "Ended"):
			ends[id]++
		default:
			found[id]++
		}
	}
	now := tally{Findings: len(want), Events: len(found), Ends: len(ends)}
	for id := range want {
		if found[id] == 0 {
			now.Lost++
			t.Errorf("finding %s has no event", id)
		}
		if ended && ends[id] == 0 {
			now.Lost++
			t.Errorf("nothing says that finding %s has ended", id)
		}
	}
	for _, counts := range []map[string]int{found, ends} {
		for id, n := range counts {
			if n > 1 {
				now.Duplicate += n - 1
				t.Errorf("%d events about finding %s", n, id)
			}
		}
	}
	s.total.add(t, &now, s.proxy)
}

func (all *tally) add(t *testing.T, one *tally, p *proxy) {
	t.Helper()
	p.mu.Lock()
	one.Faults = p.met
	p.met = make(map[fault]int)
	p.mu.Unlock()
	t.Log(one)
	all.mu.Lock()
	defer all.mu.Unlock()
	all.Findings += one.Findings
	all.Events += one.Events
	all.Ends += one.Ends
	all.Lost += one.Lost
	all.Duplicate += one.Duplicate
	for what, n := range one.Faults {
		all.Faults[what] += n
	}
}

func (all *tally) String() string {
	faults, err := json.Marshal(all.Faults)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d findings, %d events, %d ends: %d lost, %d duplicate; requests %s",
		all.Findings, all.Events, all.Ends, all.Lost, all.Duplicate, faults)
}
