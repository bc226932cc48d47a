// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"fmt"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// maxSeries caps the findings, the ports, and the rules of the policy, that have a series of
// their own.
const maxSeries = 1000

// Collector has the node's metrics, which it makes anew at each scrape. Before a result is
// published to it, it has none but the counters.
type Collector struct {
	latest atomic.Pointer[audit.Result]
	// begun and ended count findings, by kind.
	begun, ended *prometheus.CounterVec
	// kinds and reasons are those of the checks that are on: they have a series at 0 too. Of others
	// a 0 would be a claim.
	kinds   []audit.Kind
	reasons []string
	// limit is maxSeries, but for tests.
	limit int

	findings, info, omitted        *prometheus.Desc
	posture, levels                *prometheus.Desc
	expected, expectedOmitted      *prometheus.Desc
	containers, processes, threads *prometheus.Desc
	unknown                        *prometheus.Desc
	hostAvailable, hostInfo        *prometheus.Desc
	portInfo, portsOmitted         *prometheus.Desc
	sockets, forwards              *prometheus.Desc
	ignoredRules, forwardsSeen     *prometheus.Desc
}

// Register returns a collector that is registered, for findings of these checks.
func Register(registerer prometheus.Registerer, checks *audit.Selection) (*Collector, error) {
	collector := newCollector(checks)
	if err := registerer.Register(collector); err != nil {
		return nil, fmt.Errorf("register the node's metrics: %w", err)
	}
	return collector, nil
}

func newCollector(checks *audit.Selection) *Collector {
	kinds := checks.AnnouncedKinds()
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &Collector{
		limit: maxSeries, kinds: kinds, reasons: checks.PostureReasons(),
		begun: counter(kinds, "nsaudit_findings_begun_total",
			"Findings that have begun; those that are there when the agent starts begin then."),
		ended: counter(kinds, "nsaudit_findings_ended_total",
			"Findings that have ended since the agent started, or are expected by a rule of the policy now."),
		findings: desc("nsaudit_findings",
			"Findings that no rule of the policy expects, each a check that fired for one container.", kindLabelNames()...),
		posture: desc("nsaudit_posture_findings",
			"Findings about what was declared and is common, such as that a container runs as root, that no rule of the policy expects.", "reason"),
		levels: desc("nsaudit_pods_by_security_level",
			"Pods, by the Pod Security level that the kernel enforces on them.", "level"),
		expected: desc("nsaudit_expected_findings",
			"Findings that a rule of the policy expects.", "rule"),
		expectedOmitted: desc("nsaudit_expected_findings_omitted",
			"Findings that rules expect which have no series in nsaudit_expected_findings, as they are beyond its cap."),
		info: desc("nsaudit_finding_info",
			"A finding that no rule of the policy expects; always 1.", findingLabelNames()...),
		omitted: desc("nsaudit_finding_info_omitted",
			"Findings without a series in nsaudit_finding_info: beyond its cap, or with the labels of another one."),
		containers: desc("nsaudit_containers",
			"Containers that were looked at, pause containers among them."),
		processes: desc("nsaudit_processes",
			"Processes of the node, in containers or not."),
		threads: desc("nsaudit_threads",
			"Threads of containers whose namespaces were read."),
		unknown: desc("nsaudit_unknown",
			"What could not be seen, by cause. Unknown is not clean.", "cause"),
		hostAvailable: desc("nsaudit_host_reference_available",
			"Whether the host's own namespaces could be read (1). Without them (0) there is no verdict."),
		hostInfo: desc("nsaudit_host_reference_info",
			"Which process stands for the host; always 1.", "reference"),
		portInfo: desc("nsaudit_host_port_info",
			"A host port of a finding that no rule of the policy expects: it reaches a container, or was declared to but does not (way=\"none\"); always 1.", portLabelNames()...),
		portsOmitted: desc("nsaudit_host_port_info_omitted",
			"Ports without a series in nsaudit_host_port_info: beyond its cap, or with the labels of another one."),
		sockets: desc("nsaudit_host_sockets",
			"Sockets of the host's network that receive what comes to a port, held by containers or not."),
		forwards: desc("nsaudit_host_port_forwards",
			"Rules of the packet filter that forward a port of the host, to containers or elsewhere."),
		ignoredRules: desc("nsaudit_host_port_rules_ignored",
			"Rules of the packet filter that rewrite a destination in a form that is not known."),
		forwardsSeen: desc("nsaudit_host_port_forwards_readable",
			"Whether all forwards could be read (1). If not (0), there may be more."),
	}
}

// Publish makes a result the one that the metrics show, and counts what has changed.
func (c *Collector) Publish(result *audit.Result) {
	for _, finding := range result.Began {
		count(c.begun, finding)
	}
	for _, finding := range result.Ended {
		count(c.ended, finding)
	}
	c.latest.Store(result)
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		c.findings, c.info, c.omitted, c.posture, c.levels,
		c.expected, c.expectedOmitted,
		c.containers, c.processes, c.threads,
		c.unknown, c.hostAvailable, c.hostInfo,
		c.portInfo, c.portsOmitted,
		c.sockets, c.forwards, c.ignoredRules, c.forwardsSeen,
	} {
		ch <- desc
	}
	c.begun.Describe(ch)
	c.ended.Describe(ch)
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.begun.Collect(ch)
	c.ended.Collect(ch)
	result := c.latest.Load()
	if result == nil {
		return
	}
	available := result.Snapshot.Host.PID > 0
	send(ch, c.hostAvailable, truth(available))
	// Without a host reference there is no verdict, and 0 findings would be one.
	if available {
		send(ch, c.hostInfo, 1, label(string(result.Snapshot.Host.Reference)))
		findings := unexpected(result)
		c.collectFindings(ch, findings)
		c.collectPosture(ch, result)
		c.collectLevels(ch, result)
		c.collectExpected(ch, result.Rules)
		documents := documentsOf(findings)
		c.collectInfo(ch, documents)
		if ports := result.Snapshot.Ports; ports != nil {
			c.collectCoverage(ch, ports)
			c.collectPorts(ch, documents)
		}
	}
	c.collectUnknown(ch, result)
	send(ch, c.containers, float64(len(result.Snapshot.Containers)))
	send(ch, c.processes, float64(result.Snapshot.Coverage.Processes))
	send(ch, c.threads, float64(result.Snapshot.Coverage.Threads))
}

// collectCoverage shows how much of the host's ports was looked at.
func (c *Collector) collectCoverage(ch chan<- prometheus.Metric, ports *snapshot.PortCoverage) {
	send(ch, c.sockets, float64(ports.Sockets))
	send(ch, c.forwards, float64(ports.Forwards))
	send(ch, c.ignoredRules, float64(ports.Ignored))
	send(ch, c.forwardsSeen, truth(len(ports.NoForwards) == 0))
}

func (c *Collector) collectUnknown(ch chan<- prometheus.Metric, result *audit.Result) {
	counts := make(map[string]int)
	for _, cause := range snapshot.Causes() {
		counts[string(cause)] = 0
	}
	for i := range result.Unknown {
		counts[label(string(result.Unknown[i].Cause))]++
	}
	for cause, count := range counts {
		send(ch, c.unknown, float64(count), cause)
	}
}

// send makes a gauge of a value. One that can't be made fails alone.
func send(ch chan<- prometheus.Metric, desc *prometheus.Desc, value float64, labels ...string) {
	metric, err := prometheus.NewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	if err != nil {
		metric = prometheus.NewInvalidMetric(desc, err)
	}
	ch <- metric
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
