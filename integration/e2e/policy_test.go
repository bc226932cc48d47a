// SPDX-License-Identifier: Apache-2.0

//go:build integration

package e2e_test

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
	"github.com/nsaudit/nsaudit/integration/internal/scrape"
)

const (
	policyFile = manifestsDir + "/base/policy.yaml"
	// kubeletSync is more than the kubelet takes to write a ConfigMap that has changed into a pod.
	kubeletSync = 2 * time.Minute
)

// testPolicy changes the ConfigMap while the agents run: they follow it without a restart, and keep the last good version.
func testPolicy(t *testing.T, c kindtest.Cluster) {
	ns := kindtest.Namespace(t)
	kindtest.Apply(t, ns, pod(c, "declared", "hostNetwork: true", ""))
	kindtest.Ready(t, ns)
	shared := []string{"Normal HostNetworkShared Pod/declared spec.containers{main}"}
	eventually.Equal(t, soon, "events", shared, func() []string { return events(t, ns) })
	agent := agentOn(t, c.Worker())
	text, err := os.ReadFile(policyFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { setPolicy(t, string(text)) })

	began := time.Now()
	setPolicy(t, string(text)+"\n- {name: e2e, reason: A test., namespaces: ["+ns+"], checks: [HostNetwork]}\n")
	expects := func() float64 { return scrape.Parse(t, metrics(t, c.Worker())).Expected()["e2e"] }
	eventually.Equal(t, kubeletSync, "findings that the new rule expects", 1, expects)
	t.Logf("%s after the ConfigMap was changed, the new rule is in force", time.Since(began).Round(time.Second))
	eventually.Equal(t, soon, "series", nil, func() []string { return series(t, c.Worker(), ns) })
	eventually.Equal(t, endsWithin, "events", withEnds(shared), func() []string { return events(t, ns) })
	if said := notes(t, ns); !slices.ContainsFunc(said, func(note string) bool { return strings.Contains(note, "rule e2e") }) {
		t.Errorf("no event names the rule: %q", said)
	}

	setPolicy(t, string(text)+"\n- {name: e2e-broken}\n")
	syncNow(t)
	eventually.Equal(t, soon, "the last reload was successful", 0, func() float64 { return reloaded(t, c) })
	eventually.Equal(t, 0, "findings that the last good version expects", 1, expects)
	broken := []string{"Warning PolicyInvalid Node/" + c.Worker()}
	eventually.Equal(t, soon, "events of the node", broken, func() []string { return policyEvents(t, c) })
	for _, want := range []string{"[!]policy: ", "policy.yaml", "e2e-broken", "readyz check passed"} {
		if answer := readyz(t, c); !strings.Contains(answer, want) {
			t.Errorf("/readyz does not say %q:\n%s", want, answer)
		}
	}

	setPolicy(t, string(text))
	syncNow(t)
	eventually.Equal(t, soon, "the last reload was successful", 1, func() float64 { return reloaded(t, c) })
	eventually.Equal(t, soon, "findings that the rule expects which is gone", 0, expects)
	eventually.Equal(t, soon, "series", []string{"declared HostNetworkShared"}, func() []string { return series(t, c.Worker(), ns) })
	eventually.Equal(t, endsWithin, "events of the node", withEnds(broken), func() []string { return policyEvents(t, c) })
	after := agentOn(t, c.Worker())
	if diff := cmp.Diff([]any{agent.UID, int32(0)}, []any{after.UID, after.Status.ContainerStatuses[0].RestartCount}); diff != "" {
		t.Errorf("the agent was restarted (-want +got):\n%s", diff)
	}
}

// setPolicy changes the policy of all agents.
func setPolicy(t *testing.T, text string) {
	t.Helper()
	config, err := json.Marshal(&corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: "nsaudit-policy"},
		Data:       map[string]string{"policy.yaml": text},
	})
	if err != nil {
		t.Fatal(err)
	}
	kindtest.Apply(t, "nsaudit", string(config))
}

// syncNow has the kubelets write what has changed into the agents' pods at once: a change of a pod makes them look at all of it.
func syncNow(t *testing.T) {
	t.Helper()
	now := strconv.FormatInt(time.Now().UnixMilli(), 10)
	kindtest.Do(t, "annotate", "pods", "-n", "nsaudit", "-l", "app.kubernetes.io/name=nsaudit", "nsaudit.io/synced="+now, "--overwrite")
}

// reloaded returns whether the agent on the worker could read its policy the last time, as 1 or 0.
func reloaded(t *testing.T, c kindtest.Cluster) float64 {
	t.Helper()
	const name = "nsaudit_policy_last_reload_successful"
	value, ok := scrape.Parse(t, metrics(t, c.Worker())).Value(name)
	if !ok {
		t.Fatalf("no metric %s", name)
	}
	return value
}

func policyEvents(t *testing.T, c kindtest.Cluster) []string {
	t.Helper()
	return slices.DeleteFunc(eventsOn(t, "default", c.Worker()), func(line string) bool { return !strings.Contains(line, "Policy") })
}

// readyz returns what the agent on the worker answers to the kubelet.
func readyz(t *testing.T, c kindtest.Cluster) string {
	t.Helper()
	return c.In(t, c.Worker(), "bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/9547; printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3; cat <&3`)
}
