// SPDX-License-Identifier: Apache-2.0

// Package journal writes a log line for each finding that appears, and for each that ends.
package journal

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/logkey"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1/convert"
)

// Journal remembers what it has written. Its Publish is called by one goroutine.
type Journal struct {
	logger *slog.Logger
	// written are the findings of the last report, with what names them.
	written map[finding][]any
}

// limits are how many processes or ports a line names.
func limits() report.Limits { return report.Limits{Processes: 8, Ports: 8} }

// finding identifies a finding from one report to the next.
type finding struct {
	container   inventory.Key
	reason, key string
}

// New returns a journal that writes to a logger.
func New(logger *slog.Logger) *Journal {
	return &Journal{logger: logger, written: make(map[finding][]any)}
}

// Publish writes what has changed since the last result.
func (j *Journal) Publish(result *audit.Result) {
	now := make(map[finding][]any, len(result.Findings))
	for i := range result.Findings {
		found := &result.Findings[i]
		if found.Deferred {
			continue
		}
		key := finding{found.Container.Key(), found.Reason(), found.Evidence.Key()}
		names, before := j.written[key]
		if !before {
			names = namesOf(found)
			j.begin(found, names)
		}
		now[key] = names
	}
	for key, names := range j.written {
		if _, still := now[key]; !still {
			j.logger.Info("Finding gone", names...)
		}
	}
	j.written = now
}

// begin writes that a finding has appeared.
func (j *Journal) begin(found *audit.Finding, names []any) {
	finding := convert.Finding(found, report.Clean)
	attrs := append(slices.Clone(names), evidenceOf(&finding.Evidence)...)
	if found.Warns() {
		j.logger.Warn("Finding", attrs...)
	} else {
		j.logger.Info("Finding", attrs...)
	}
}

// evidenceOf names the ports of a finding about ports, and the namespace and processes of any
// other.
func evidenceOf(evidence *v1alpha1.Evidence) []any {
	text := report.Evidence(evidence, limits())
	if len(evidence.Ports) > 0 {
		return []any{slog.String(logkey.Ports, text)}
	}
	namespace := fmt.Sprintf("%s:[%d:%d]", evidence.Kind, evidence.Namespace.Dev, evidence.Namespace.Ino)
	return []any{slog.String(logkey.EvidenceNamespace, namespace), slog.String(logkey.Processes, text)}
}

// namesOf says what a finding is, and of which container. Processes, images and pods choose
// the names.
func namesOf(found *audit.Finding) []any {
	finding := convert.Finding(found, report.Clean)
	attrs := []any{
		slog.String(logkey.Reason, finding.Reason),
		slog.String(logkey.Check, string(finding.Check)),
		slog.String(logkey.DeclaredBy, string(finding.DeclaredBy)),
		slog.String(logkey.RuntimeNamespace, finding.Container.RuntimeNamespace),
		slog.String(logkey.ContainerID, finding.Container.ID),
		slog.String(logkey.Container, finding.Container.Name),
	}
	if pod := finding.Pod; pod != nil {
		attrs = append(attrs,
			slog.String(logkey.Namespace, pod.Namespace),
			slog.String(logkey.Pod, pod.Name),
			slog.String(logkey.PodUID, pod.UID),
		)
	}
	return attrs
}
