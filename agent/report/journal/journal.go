// SPDX-License-Identifier: Apache-2.0

// Package journal writes a log line for each finding that begins, and for each that ends.
package journal

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/logkey"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1/convert"
)

// Journal writes what has changed from one result to the next.
type Journal struct{ logger *slog.Logger }

// limits are how many processes or ports a line names.
func limits() report.Limits { return report.Limits{Processes: 8, Ports: 8} }

// New returns a journal that writes to a logger.
func New(logger *slog.Logger) *Journal { return &Journal{logger} }

// Publish writes what has changed since the result before.
func (j *Journal) Publish(result *audit.Result) {
	for _, finding := range result.Began {
		j.begin(finding)
	}
	for _, finding := range result.Ended {
		j.end(finding)
	}
}

// begin writes that a finding has begun.
func (j *Journal) begin(began *audit.Finding) {
	finding := convert.Finding(began, report.Clean)
	level := slog.LevelInfo
	if began.Warns() {
		level = slog.LevelWarn
	}
	j.logger.LogAttrs(context.Background(), level, "Finding", append(namesOf(&finding), evidenceOf(&finding.Evidence)...)...)
}

// end writes that a finding has ended. What a rule of the policy expects from now on is still
// there.
func (j *Journal) end(ended *audit.Finding) {
	finding := convert.Finding(ended, report.Clean)
	attrs := namesOf(&finding)
	if finding.Expected != nil {
		attrs = append(attrs, slog.String(logkey.Rule, finding.Expected.Rule))
		j.logger.LogAttrs(context.Background(), slog.LevelInfo, "Finding is expected now", attrs...)
		return
	}
	j.logger.LogAttrs(context.Background(), slog.LevelInfo, "Finding ended", attrs...)
}

// evidenceOf names the ports of a finding about ports, what was found of a security context, and
// the namespace and processes of any other.
func evidenceOf(evidence *v1alpha1.Evidence) []slog.Attr {
	text := report.Evidence(evidence, limits())
	if len(evidence.Ports) > 0 {
		return []slog.Attr{slog.String(logkey.Ports, text)}
	}
	if evidence.Kind == "" {
		return []slog.Attr{slog.String(logkey.Evidence, text)}
	}
	namespace := fmt.Sprintf("%s:[%d:%d]", evidence.Kind, evidence.Namespace.Dev, evidence.Namespace.Ino)
	return []slog.Attr{slog.String(logkey.EvidenceNamespace, namespace), slog.String(logkey.Processes, text)}
}

// namesOf says what a finding is, and of which container.
func namesOf(finding *v1alpha1.Finding) []slog.Attr {
	attrs := []slog.Attr{
		slog.String(logkey.Reason, finding.Reason),
		slog.String(logkey.Severity, string(finding.Severity)),
		slog.String(logkey.Check, string(finding.Check)),
		slog.String(logkey.DeclaredBy, string(finding.DeclaredBy)),
		slog.String(logkey.FindingID, finding.ID),
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
