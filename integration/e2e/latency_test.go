// SPDX-License-Identifier: Apache-2.0

//go:build integration

package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	eventsapi "github.com/containerd/containerd/api/events"
	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/typeurl/v2"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	eventsv1client "k8s.io/client-go/kubernetes/typed/events/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
)

// timedPods are enough for a percentile, and take a minute.
const timedPods = 20

// moments are the times of the first event about the container of each pod. All clocks are
// those of the one machine.
type moments struct {
	mu                        sync.Mutex
	started, nsaudit, kubelet map[string]time.Time
}

// testLatency measures the time from a container's start, as containerd dates it, to the
// arrival of the Event about it in a watch. The kubelet's own Event of the same start shows
// what the way through the API server costs in this cluster.
func testLatency(t *testing.T, c kindtest.Cluster) {
	ns := kindtest.Namespace(t)
	m := &moments{started: make(map[string]time.Time), nsaudit: make(map[string]time.Time), kubelet: make(map[string]time.Time)}
	followStarts(t, c, m)
	followEvents(t, ns, m)
	shared := []string{"hostPID: true", "hostIPC: true"}
	for i := range timedPods {
		name := "timed-" + strconv.Itoa(i)
		kindtest.Apply(t, ns, pod(c, name, shared[i%len(shared)], ""))
		eventually.Equal(t, kindtest.PodStart, "the start of "+name, []bool{true}, func() []bool { return m.has(name, m.started) })
		eventually.Equal(t, soon, "events of "+name, []bool{true, true}, func() []bool { return m.has(name, m.nsaudit, m.kubelet) })
		kindtest.Do(t, "delete", "pod", "-n", ns, name, "--wait=false")
	}
	t.Logf("from the start of a container to its Event in a watch, %d pods one after another:\n%s%s",
		timedPods, m.row("nsaudit", m.nsaudit), m.row("the kubelet's Started", m.kubelet))
}

// followStarts notes each start of a pod's container on the worker, from containerd's own
// events.
func followStarts(t *testing.T, c kindtest.Cluster, m *moments) {
	t.Helper()
	pid := strings.TrimSpace(c.Run(t, "inspect", "--format", "{{.State.Pid}}", c.Worker()))
	containerd, err := client.New("/proc/"+pid+"/root/run/containerd/containerd.sock", client.WithDefaultNamespace("k8s.io"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { containerd.Close() })
	stream, errs := containerd.EventService().Subscribe(t.Context(), `topic=="/tasks/start"`)
	// A subscription is not answered before something happens; another call is.
	if _, err := containerd.Version(t.Context()); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			select {
			case envelope := <-stream:
				if pod := podOf(t.Context(), containerd, envelope.Event); pod != "" {
					m.note(m.started, pod, envelope.Timestamp)
				}
			case <-errs: // The test has ended, or times out.
				return
			}
		}
	}()
}

// podOf returns the pod whose container has started, or nothing for a pause container.
func podOf(ctx context.Context, containerd *client.Client, told typeurl.Any) string {
	event, err := typeurl.UnmarshalAny(told)
	if err != nil {
		return ""
	}
	start, ok := event.(*eventsapi.TaskStart)
	if !ok {
		return ""
	}
	container, err := containerd.ContainerService().Get(ctx, start.GetContainerID())
	if err != nil || container.Labels["io.kubernetes.container.name"] == "" {
		return ""
	}
	return container.Labels["io.kubernetes.pod.name"]
}

// followEvents notes when Events of a namespace arrive in a watch.
func followEvents(t *testing.T, namespace string, m *moments) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kindtest.Kubeconfig(t))
	if err != nil {
		t.Fatal(err)
	}
	api, err := eventsv1client.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	watcher, err := api.Events(namespace).Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watcher.Stop)
	go func() {
		for change := range watcher.ResultChan() {
			event, ok := change.Object.(*eventsv1.Event)
			if !ok || change.Type != watch.Added {
				continue
			}
			switch {
			case event.ReportingController == controller:
				m.note(m.nsaudit, event.Regarding.Name, time.Now())
			case event.ReportingController == "kubelet" && event.Reason == "Started":
				m.note(m.kubelet, event.Regarding.Name, time.Now())
			}
		}
	}()
}

// note keeps the first time.
func (m *moments) note(times map[string]time.Time, pod string, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := times[pod]; !ok {
		times[pod] = at
	}
}

// has reports for each kind of moment whether the pod had it.
func (m *moments) has(pod string, kinds ...map[string]time.Time) []bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	var had []bool
	for _, times := range kinds {
		_, ok := times[pod]
		had = append(had, ok)
	}
	return had
}

// row is a line of the table: the median, the 90th percentile and the longest time.
func (m *moments) row(who string, times map[string]time.Time) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var took []time.Duration
	for pod, at := range times {
		took = append(took, at.Sub(m.started[pod]).Round(time.Millisecond))
	}
	slices.Sort(took)
	rank := func(percent int) time.Duration { return took[(len(took)*percent+99)/100-1] }
	return fmt.Sprintf("  %-22s p50 %-7s p90 %-7s max %s\n", who, rank(50), rank(90), rank(100))
}
