// SPDX-License-Identifier: Apache-2.0

//go:build integration

package e2e_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
	"github.com/nsaudit/nsaudit/integration/internal/scrape"
)

// zoneLabel is one of the labels of a node for which kube-proxy writes all of its rules again.
const zoneLabel = "topology.kubernetes.io/zone"

// TestServiceAddress has kube-proxy write all rules again, as it does every hour, which no setting shortens. The API
// server's Service has to be reachable from a pod and from the node afterwards: agents that start later need it.
func TestServiceAddress(t *testing.T) {
	c := kindtest.Open(t)
	ns := kindtest.Namespace(t)
	kindtest.Apply(t, ns, pod(c, "client", "", ""))
	kindtest.Ready(t, ns)
	address := kindtest.Do(t, "get", "service", "-n", "default", "kubernetes", "-o", "jsonpath={.spec.clusterIP}")
	t.Cleanup(func() { kindtest.Do(t, "label", "node", c.Worker(), zoneLabel+"-") })
	// One sync can remove what the next one adds again.
	for i := range 4 {
		before := fullSyncs(t, c)
		kindtest.Do(t, "label", "node", c.Worker(), zoneLabel+"=e2e-"+strconv.Itoa(i), "--overwrite")
		eventually.Equal(t, soon, "a full sync", true, func() bool { return fullSyncs(t, c) > before })
		if out, code := c.Try(t, "exec", c.Worker(), "timeout", "10", "bash", "-c", "exec 3<>/dev/tcp/"+address+"/443"); code != 0 {
			t.Errorf("after sync %d, from the node: %s", i, out)
		}
		if _, complaints := kindtest.Kubectl(t, "exec", "-n", ns, "client", "--", "nc", "-w", "10", address, "443", "-e", "/bin/true"); complaints != "" {
			t.Errorf("after sync %d, from a pod: %s", i, complaints)
		}
		if rules := proxyRules(t, c); !strings.Contains(rules, address) {
			t.Errorf("after sync %d, %s is not in:\n%s", i, address, rules)
		}
	}
}

// fullSyncs returns how often kube-proxy on the worker has written all rules for IPv4.
func fullSyncs(t *testing.T, c kindtest.Cluster) uint64 {
	t.Helper()
	// It listens on the node's loopback only.
	const get = `exec 3<>/dev/tcp/127.0.0.1/10249; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3; cat <&3`
	_, page, _ := strings.Cut(c.In(t, c.Worker(), "bash", "-c", get), "\r\n\r\n")
	const name = "kubeproxy_sync_full_proxy_rules_duration_seconds"
	for _, series := range scrape.Parse(t, page)[name].GetMetric() {
		for _, label := range series.GetLabel() {
			if label.GetName() == "ip_family" && label.GetValue() == "IPv4" {
				return series.GetHistogram().GetSampleCount()
			}
		}
	}
	t.Fatalf("kube-proxy has no %s for IPv4", name)
	return 0
}

// proxyRules returns what leads from Services' addresses to their endpoints.
func proxyRules(t *testing.T, c kindtest.Cluster) string {
	t.Helper()
	// A cluster of kind's own node image uses iptables.
	if out, code := c.Try(t, "exec", c.Worker(), "nft", "list", "map", "ip", "kube-proxy", "service-ips"); code == 0 {
		return out
	}
	return c.In(t, c.Worker(), "iptables-save", "-t", "nat")
}
