// Package journal writes a log line for each finding that appears, and for each that goes.
package journal

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report"
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
			j.logger.Info("finding gone", names...)
		}
	}
	j.written = now
}

func (j *Journal) begin(found *audit.Finding, names []any) {
	finding := convert.Finding(found, report.Clean)
	attrs := slices.Clone(names)
	if text := report.Evidence(&finding.Evidence, limits()); len(finding.Evidence.Ports) > 0 {
		attrs = append(attrs, slog.String("ports", text))
	} else {
		attrs = append(attrs,
			slog.String("evidenceNamespace", fmt.Sprintf("%s:[%d:%d]", finding.Evidence.Kind, finding.Evidence.Namespace.Dev, finding.Evidence.Namespace.Ino)),
			slog.String("processes", text),
		)
	}
	if found.Severity.Warns() {
		j.logger.Warn("finding", attrs...)
		return
	}
	j.logger.Info("finding", attrs...)
}

// namesOf says what a finding is, and of which container. Processes, images and pods choose
// the names.
func namesOf(found *audit.Finding) []any {
	finding := convert.Finding(found, report.Clean)
	attrs := []any{
		slog.String("reason", finding.Reason),
		slog.String("check", string(finding.Check)),
		slog.String("declaredBy", string(finding.DeclaredBy)),
		slog.String("runtimeNamespace", finding.Container.RuntimeNamespace),
		slog.String("containerId", finding.Container.ID),
		slog.String("container", finding.Container.Name),
	}
	if pod := finding.Pod; pod != nil {
		attrs = append(attrs,
			slog.String("namespace", pod.Namespace),
			slog.String("pod", pod.Name),
			slog.String("podUid", pod.UID),
		)
	}
	return attrs
}
