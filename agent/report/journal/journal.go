// Package journal writes a log line for each finding that appears, and for each that goes.
package journal

import (
	"log/slog"
	"slices"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// Journal remembers what it has written. Its Publish is called by one goroutine.
type Journal struct {
	logger *slog.Logger
	// written are the findings of the last report, with what names them.
	written map[finding][]any
}

// maxNamed is how many processes or ports a line names.
const maxNamed = 8

// finding identifies a finding from one report to the next.
type finding struct {
	container     inventory.Key
	reason, ports string
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
		key := finding{found.Container.Key(), found.Reason(), report.PortsKey(&found.Evidence)}
		names, before := j.written[key]
		if !before {
			names = namesOf(found.Container, found)
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
	evidence := report.CleanEvidence(found.Evidence, report.Clean)
	attrs := slices.Clone(names)
	if found.Check == audit.HostPort {
		attrs = append(attrs, slog.String("ports", report.PortsText(&evidence, maxNamed)))
	} else {
		attrs = append(attrs,
			slog.String("evidenceNamespace", evidence.Kind.String()+":"+evidence.Namespace.String()),
			slog.String("processes", report.ProcessesText(evidence.Processes, evidence.MoreProcesses, maxNamed)),
		)
	}
	if found.DeclaredBy.Declared() {
		j.logger.Info("finding", attrs...)
		return
	}
	j.logger.Warn("finding", attrs...)
}

// namesOf says what a finding is, and of whom. The names are the choice of processes,
// images and pods.
func namesOf(container *snapshot.Container, found *audit.Finding) []any {
	attrs := []any{
		slog.String("reason", found.Reason()),
		slog.String("check", string(found.Check)),
		slog.String("declaredBy", string(found.DeclaredBy)),
		slog.String("runtimeNamespace", report.Clean(container.RuntimeNamespace)),
		slog.String("containerId", report.Clean(container.ID)),
		slog.String("container", report.Clean(container.Name)),
	}
	if container.Pod != nil {
		attrs = append(attrs,
			slog.String("namespace", report.Clean(container.Pod.Namespace)),
			slog.String("pod", report.Clean(container.Pod.Name)),
			slog.String("podUid", report.Clean(container.Pod.UID)),
		)
	}
	return attrs
}
