// SPDX-License-Identifier: Apache-2.0

//go:build integration

package benchagent_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
)

const (
	// pods is most of the 110 that a kubelet runs unless told otherwise.
	pods = 90
	// podsLimit is for all of them to start, and to end.
	podsLimit = 4 * time.Minute
	// settle is how long the node is left alone before anything is measured.
	settle = 20 * time.Second
	// period is that of the agent's full scans, and of the scrapes here.
	period = 30 * time.Second
	// periods are measured.
	periods = 4
)

// exportersEnv names the directory that integration/setup/exporters has filled.
const exportersEnv = "NSAUDIT_EXPORTERS_DIR"

// binary is the agent's, as make build leaves it.
const binary = "../../bin/nsaudit"

// TestCost prints the table. It fails only if something can't be measured: what a cost may be is for people to judge.
func TestCost(t *testing.T) {
	exporters := os.Getenv(exportersEnv)
	if exporters == "" {
		t.Fatalf("%s has to name the directory of the exporters; run: make bench-agent", exportersEnv)
	}
	n := node{Cluster: kindtest.Open(t), t: t}
	n.clean() // what a run that was killed has left
	t.Cleanup(n.clean)
	n.startPods()
	kindtest.DeployAgent(t, kindtest.DefaultAgent)
	programs := []program{
		n.agent(),
		n.start("node_exporter", filepath.Join(exporters, "prometheus-node-exporter"),
			19100, "--web.listen-address=127.0.0.1:19100"),
		// Its own example of a configuration for all processes, in groups by name.
		n.start("process-exporter", filepath.Join(exporters, "prometheus-process-exporter"),
			19256, "-web.listen-address=127.0.0.1:19256", "-config.path="+n.put("process-exporter.yaml", groupByName)),
	}
	time.Sleep(settle)
	n.scrape(programs) // The first scrape is the most expensive one.
	before, scansBefore := n.sample(programs), n.fullScans()
	start := time.Now()
	for range periods {
		time.Sleep(period - time.Since(start)%period)
		n.scrape(programs)
	}
	after, scans := n.sample(programs), n.fullScans()-scansBefore
	measured := time.Since(start)
	fmt.Printf("\n%d pods and %s processes on the node, %v, scraped every %v:\n\n", pods, n.processes(), measured.Round(time.Second), period)
	printTable(os.Stdout, programs, before, after, measured)
	fmt.Printf("\nThe agent made %d full scans, one for each %v of its processor time, scrapes included.\n", scans, perScan(before[0], after[0], scans))
	fmt.Printf("nsaudit scan, as a program of its own, takes %v (median of %d runs).\n", n.scanCost(), scanRuns)
}

const groupByName = `process_names:
- name: "{{.Comm}}"
  cmdline: ['.+']
`

// startPods starts the pods on the node, all at once, and removes them at the end of the test.
func (n node) startPods() {
	n.t.Helper()
	namespace := kindtest.Namespace(n.t)
	n.t.Cleanup(func() {
		kindtest.Do(n.t, "delete", "deployment", "-n", namespace, "quiet")
		eventually.Equal(n.t, podsLimit, "pods that are left", "", func() string {
			return kindtest.Do(n.t, "get", "pods", "-n", namespace, "-o", "name")
		})
	})
	kindtest.Apply(n.t, namespace, fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: quiet}
spec:
  replicas: %d
  selector: {matchLabels: {app: quiet}}
  template:
    metadata: {labels: {app: quiet}}
    spec:
      nodeSelector: {kubernetes.io/hostname: %s}
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: %s
        imagePullPolicy: Never
`, pods, n.Worker(), n.pauseImage()))
	eventually.Equal(n.t, podsLimit, "pods that are ready", fmt.Sprint(pods), func() string {
		return kindtest.Do(n.t, "get", "deployment", "-n", namespace, "quiet", "-o", "jsonpath={.status.readyReplicas}")
	})
}
