// SPDX-License-Identifier: Apache-2.0

// Package scrape reads the agent's metrics as Prometheus does, for the tests that run an agent.
package scrape

import (
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Page is what an agent shows at /metrics.
type Page map[string]*dto.MetricFamily

// Finding is a finding that has a series of its own.
type Finding struct{ Namespace, Pod, Container, Reason string }

// Port is a port of the host that has a series of its own.
type Port struct{ Namespace, Pod, Protocol, Address, Port, Way, Reason, DeclaredBy string }

// Parse reads a page, which has to be what Prometheus takes.
func Parse(t testing.TB, text string) Page {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	page, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("the metrics: %v in:\n%s", err, text)
	}
	return page
}

// Findings returns the findings in the order of the page.
func (p Page) Findings() []Finding {
	var findings []Finding
	for _, series := range p["nsaudit_finding_info"].GetMetric() {
		labels := labelsOf(series)
		findings = append(findings, Finding{labels["namespace"], labels["pod"], labels["container"], labels["reason"]})
	}
	return findings
}

// Ports returns the ports in the order of the page.
func (p Page) Ports() []Port {
	var ports []Port
	for _, series := range p["nsaudit_host_port_info"].GetMetric() {
		labels := labelsOf(series)
		ports = append(ports, Port{
			Namespace: labels["namespace"], Pod: labels["pod"],
			Protocol: labels["protocol"], Address: labels["host_address"], Port: labels["host_port"],
			Way: labels["way"], Reason: labels["reason"], DeclaredBy: labels["declared_by"],
		})
	}
	return ports
}

// Expected returns how many findings each rule of the policy expects that expects any.
func (p Page) Expected() map[string]float64 {
	expected := make(map[string]float64)
	for _, series := range p["nsaudit_expected_findings"].GetMetric() {
		if count := series.GetGauge().GetValue(); count > 0 {
			expected[labelsOf(series)["rule"]] = count
		}
	}
	return expected
}

// Value returns the value of a gauge that has one series; false if there is none.
func (p Page) Value(name string) (float64, bool) {
	series := p[name].GetMetric()
	if len(series) != 1 {
		return 0, false
	}
	return series[0].GetGauge().GetValue(), true
}

// FullScans returns how many full scans have ended.
func (p Page) FullScans() uint64 { return p.scans("full") }

// TargetedScans returns how many scans of single containers have ended.
func (p Page) TargetedScans() uint64 { return p.scans("targeted") }

func (p Page) scans(kind string) uint64 {
	for _, series := range p["nsaudit_scan_duration_seconds"].GetMetric() {
		if labelsOf(series)["scan"] == kind {
			return series.GetHistogram().GetSampleCount()
		}
	}
	return 0
}

func labelsOf(series *dto.Metric) map[string]string {
	labels := make(map[string]string)
	for _, pair := range series.GetLabel() {
		labels[pair.GetName()] = pair.GetValue()
	}
	return labels
}
