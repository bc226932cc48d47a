// SPDX-License-Identifier: Apache-2.0

//go:build integration

package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
)

// testDisguised has a pod whose labels and annotations are those that containerd and the
// kubelet tell pods and pause containers apart by, and more of them than fits anywhere else.
func testDisguised(t *testing.T, c kindtest.Cluster) {
	ns := kindtest.Namespace(t)
	disguise := map[string]string{
		"io.kubernetes.pod.name":       "other",
		"io.kubernetes.pod.namespace":  "kube-system",
		"io.kubernetes.pod.uid":        "00000000-0000-0000-0000-000000000000",
		"io.kubernetes.container.name": "other",
		"io.cri-containerd.kind":       "sandbox",
	}
	annotations := map[string]string{
		"io.kubernetes.cri.container-type":    "sandbox",
		"io.kubernetes.cri.sandbox-name":      "other",
		"io.kubernetes.cri.sandbox-namespace": "kube-system",
		"io.kubernetes.cri.sandbox-id":        "../../x",
		"nsaudit.io/control":                  "\x00\x1b[2J\r\n\"} 1\u202e",
		"nsaudit.io/huge":                     strings.Repeat("x\n", 100<<10),
	}
	create(t, ns, &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "disguised", Labels: disguise, Annotations: annotations},
		Spec: corev1.PodSpec{
			NodeName: c.Worker(), HostIPC: true, TerminationGracePeriodSeconds: new(int64),
			Containers: []corev1.Container{{
				Name: "main", Image: "alpine", ImagePullPolicy: corev1.PullIfNotPresent, Command: []string{"/bin/sleep", "9999999"},
			}},
		},
	})
	kindtest.Ready(t, ns)
	wantEvents := []string{"Normal HostIPCShared Pod/disguised spec.containers{main}"}
	wantSeries := []string{"disguised HostIPCShared"}
	eventually.Equal(t, soon, "events", wantEvents, func() []string { return events(t, ns) })
	eventually.Equal(t, soon, "series", wantSeries, func() []string { return series(t, c.Worker(), ns) })
	scanned(t, c.Worker())
	eventually.Equal(t, 0, "events after a full scan", wantEvents, func() []string { return events(t, ns) })
	eventually.Equal(t, 0, "series after a full scan", wantSeries, func() []string { return series(t, c.Worker(), ns) })
	problems, err := promlint.New(strings.NewReader(metrics(t, c.Worker()))).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("the metrics: %v, %v", err, problems)
	}
}

// create gives an object to the API server that is too large for kubectl apply, which
// keeps a copy of it in an annotation.
func create(t *testing.T, namespace string, object any) {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "object.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	kindtest.Do(t, "create", "-n", namespace, "-f", file)
}

// A copy of the agent on the worker and its policy, and what the API server's certificate is checked with there.
const (
	copyOnNode   = "/root/e2e-nsaudit"
	policyOnNode = "/root/e2e-policy.yaml"
	caOnNode     = "/etc/kubernetes/pki/ca.crt"
)

// testRefused runs an agent of its own on the worker, which has findings to report to an API
// server that does not take them. It has to fail, and to say why and what to do about it.
func testRefused(t *testing.T, c kindtest.Cluster) {
	ns := kindtest.Namespace(t)
	kindtest.Apply(t, ns, pod(c, "found", "hostIPC: true", ""))
	kindtest.Ready(t, ns)
	c.Run(t, "cp", "../../bin/nsaudit", c.Worker()+":"+copyOnNode)
	c.Run(t, "cp", policyFile, c.Worker()+":"+policyOnNode)
	t.Cleanup(func() { c.In(t, c.Worker(), "rm", "-f", copyOnNode, policyOnNode) })
	server := strings.TrimSpace(c.In(t, c.Worker(), "sed", "-n", "s/^ *server: //p", "/etc/kubernetes/kubelet.conf"))

	good := token(t, "nsaudit", "nsaudit")
	kindtest.Do(t, "create", "serviceaccount", "-n", ns, "powerless")
	kindtest.Do(t, "create", "serviceaccount", "-n", ns, "gone")
	orphan := token(t, ns, "gone")
	kindtest.Do(t, "delete", "serviceaccount", "-n", ns, "gone")
	// That the other runs fail says something only if this one does not.
	if out, code := once(t, c, server, good); code != 0 {
		t.Fatalf("with a good token: exit code %d\n%s", code, out)
	}
	for name, test := range map[string]struct {
		server, token string
		want          []string
	}{
		"a broken token":                     {server, good[:len(good)-8], []string{"Unauthorized", remedyToken}},
		"a token of an account that is gone": {server, orphan, []string{"Unauthorized", remedyToken}},
		"an account without rights": {server, token(t, ns, "powerless"), []string{
			`User "system:serviceaccount:` + ns + `:powerless" cannot create resource "events" in API group "events.k8s.io"`,
			"grant the agent's service account the verbs create and patch on events",
		}},
		"nobody listens": {"https://127.0.0.1:9", good, []string{"connection refused", "check that the agent can reach the API server"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, code := once(t, c, test.server, test.token)
			if code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			_, message, _ := strings.Cut(out, "\nnsaudit: ")
			t.Logf("nsaudit: %s", message)
			for _, want := range append(test.want, "create events.events.k8s.io in namespace") {
				if !strings.Contains(message, want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
		})
	}
}

// remedyToken is what there is to do about a token that the API server does not know.
const remedyToken = "check that the agent's service account exists and its token is mounted, or that the credentials of its kubeconfig are valid"

func token(t *testing.T, namespace, account string) string {
	t.Helper()
	return strings.TrimSpace(kindtest.Do(t, "create", "token", "-n", namespace, account, "--duration=10m"))
}

// once runs one look on the worker, which is reported with a token to a server.
func once(t *testing.T, c kindtest.Cluster, server, token string) (out string, code int) {
	t.Helper()
	const script = `
file=$(mktemp)
trap 'rm -f "$file"' EXIT
cat >"$file" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: e2e, cluster: {server: "$1", certificate-authority: ` + caOnNode + `}}]
users: [{name: e2e, user: {token: "$2"}}]
contexts: [{name: e2e, context: {cluster: e2e, user: e2e}}]
current-context: e2e
EOF
` + copyOnNode + ` agent --once --events=all --policy ` + policyOnNode + ` --listen-address= --kubeconfig "$file" --node-name "$3"`
	return c.Try(t, "exec", c.Worker(), "/bin/sh", "-c", script, "sh", server, token, c.Worker())
}
