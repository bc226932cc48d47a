// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/level"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1/convert"
)

// counter returns a counter of findings, which begins at 0 for each of these kinds, so that its
// first increase is seen as one.
func counter(kinds []audit.Kind, name, help string) *prometheus.CounterVec {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, kindLabelNames())
	for _, kind := range kinds {
		labels := kindLabelsOf(kind)
		vec.WithLabelValues(labels[:]...)
	}
	return vec
}

func count(vec *prometheus.CounterVec, finding *audit.Finding) {
	labels := kindLabelsOf(finding.Kind())
	vec.WithLabelValues(labels[:]...).Inc()
}

// unexpected returns the findings that no rule of the policy expects, the worst first.
func unexpected(result *audit.Result) []*audit.Finding {
	var findings []*audit.Finding
	for _, finding := range result.Ranked() {
		if !finding.Expected() {
			findings = append(findings, finding)
		}
	}
	return findings
}

func (c *Collector) collectFindings(ch chan<- prometheus.Metric, findings []*audit.Finding) {
	counts := make(map[kindLabels]int)
	for _, kind := range c.kinds {
		counts[kindLabelsOf(kind)] = 0
	}
	for _, finding := range findings {
		counts[kindLabelsOf(finding.Kind())]++
	}
	for labels, count := range counts {
		send(ch, c.findings, float64(count), labels[:]...)
	}
}

// collectPosture shows how many findings about the posture there are, by reason.
func (c *Collector) collectPosture(ch chan<- prometheus.Metric, result *audit.Result) {
	counts := make(map[string]int)
	for _, reason := range c.reasons {
		counts[reason] = 0
	}
	for i := range result.Posture {
		if finding := &result.Posture[i]; !finding.Expected() {
			counts[finding.Reason()]++
		}
	}
	for reason, count := range counts {
		send(ch, c.posture, float64(count), label(reason))
	}
}

// collectLevels shows how many pods have each level. Without the host's security context no pod has
// one, and 0 privileged pods would be a claim.
func (c *Collector) collectLevels(ch chan<- prometheus.Metric, result *audit.Result) {
	if result.Snapshot.HostSecurity == nil {
		return
	}
	counts := make(map[level.Level]int)
	for i := range result.Levels {
		counts[result.Levels[i].Enforced]++
	}
	for _, l := range level.Levels() {
		send(ch, c.levels, float64(counts[l]), string(l))
	}
}

// collectExpected shows how many findings each rule of the policy expects: of the first rules,
// so that a rule's series does not come and go.
func (c *Collector) collectExpected(ch chan<- prometheus.Metric, rules []audit.RuleUse) {
	counts, omitted := make(map[string]int), 0
	for _, use := range rules {
		rule := label(use.Rule)
		if _, known := counts[rule]; !known && len(counts) == c.limit {
			omitted += use.Findings
			continue
		}
		counts[rule] += use.Findings
	}
	for rule, count := range counts {
		send(ch, c.expected, float64(count), rule)
	}
	send(ch, c.expectedOmitted, float64(omitted))
}

// documentsOf returns findings as the documents have them.
func documentsOf(findings []*audit.Finding) []v1alpha1.Finding {
	documents := make([]v1alpha1.Finding, len(findings))
	for i, finding := range findings {
		documents[i] = convert.Finding(finding, report.Clean)
	}
	return documents
}

func (c *Collector) collectInfo(ch chan<- prometheus.Metric, findings []v1alpha1.Finding) {
	shown := make(map[findingLabels]bool)
	for i := range findings {
		if len(shown) == c.limit {
			break
		}
		labels := labelsOf(&findings[i])
		if !shown[labels] {
			shown[labels] = true
			send(ch, c.info, 1, labels[:]...)
		}
	}
	send(ch, c.omitted, float64(len(findings)-len(shown)))
}

// collectPorts shows the ports of the findings, which name some of each, and counts the rest.
func (c *Collector) collectPorts(ch chan<- prometheus.Metric, findings []v1alpha1.Finding) {
	shown, all := make(map[portLabels]bool), 0
	for i := range findings {
		finding := &findings[i]
		all += len(finding.Evidence.Ports) + finding.Evidence.MorePorts
		c.collectPortsOf(ch, finding, shown)
	}
	send(ch, c.portsOmitted, float64(all-len(shown)))
}

func (c *Collector) collectPortsOf(ch chan<- prometheus.Metric, finding *v1alpha1.Finding, shown map[portLabels]bool) {
	for i := range finding.Evidence.Ports {
		labels := portLabelsOf(finding, &finding.Evidence.Ports[i])
		if len(shown) < c.limit && !shown[labels] {
			shown[labels] = true
			send(ch, c.portInfo, 1, labels[:]...)
		}
	}
}
