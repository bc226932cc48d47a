// SPDX-License-Identifier: Apache-2.0

// Package convert makes the documents of package v1alpha1 out of verdicts, and escapes all
// texts in them that processes, images and pods chose.
package convert

import (
	"fmt"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// cleaner makes a text fit to be shown: [report.Clean], or more.
type cleaner = func(string) string

// FromResult makes the document of a result. What is unknown of the whole node is in it
// whatever the filter.
func FromResult(result *audit.Result, filter Filter) *v1alpha1.Scan {
	snap, clean := result.Snapshot, report.Clean
	scan := &v1alpha1.Scan{
		APIVersion:      v1alpha1.APIVersion,
		Kind:            v1alpha1.ScanKind,
		Node:            clean(snap.Node),
		Time:            snap.Time,
		DurationSeconds: snap.Duration.Seconds(),
		Host:            host(&snap.Host, clean),
		Inventory: v1alpha1.Inventory{
			Source:  snap.Inventory.Source,
			Address: clean(snap.Inventory.Address),
			Version: clean(snap.Inventory.Version),
		},
		Coverage: v1alpha1.Coverage{
			Processes: snap.Coverage.Processes,
			Threads:   snap.Coverage.Threads,
			Vanished:  snap.Coverage.Vanished,
			Denied:    snap.Coverage.Denied,
			Transient: snap.Coverage.Transient,
			Unknown:   unknown(result, filter, clean),
		},
		Ports:      ports(snap.Ports, clean),
		Containers: []v1alpha1.Container{},
		Findings:   findings(result.Findings, filter, clean),
		Posture:    findings(result.Posture, filter, clean),
		Levels:     levels(result.Levels, filter, clean),
	}
	security := newSecurityOf(result)
	for i := range snap.Containers {
		if c := &snap.Containers[i]; filter.shows(c) {
			shown := container(c, clean)
			shown.Security = security.of(c, clean)
			scan.Containers = append(scan.Containers, shown)
		}
	}
	scan.Coverage.Containers = len(scan.Containers)
	scan.Summary = v1alpha1.Summarize(scan.Findings, scan.Posture)
	return scan
}

// findings converts those that the filter shows.
func findings(all []audit.Finding, filter Filter, clean cleaner) []v1alpha1.Finding {
	shown := []v1alpha1.Finding{}
	for i := range all {
		if filter.shows(all[i].Container) {
			shown = append(shown, Finding(&all[i], clean))
		}
	}
	return shown
}

func host(ref *nsinspect.HostReference, clean cleaner) v1alpha1.Host {
	namespaces := make(map[v1alpha1.Kind]v1alpha1.NamespaceID)
	for _, kind := range nsinspect.Kinds() {
		if id, ok := ref.Namespaces.Get(kind); ok {
			namespaces[v1alpha1.Kind(kind.String())] = v1alpha1.NamespaceID(id)
		}
	}
	return v1alpha1.Host{
		Reference:  v1alpha1.HostReference(ref.Reference),
		PID:        ref.PID,
		Namespaces: namespaces,
		Containers: each(ref.Containers, clean),
	}
}

// unknown returns what could not be seen, as far as the filter shows it.
func unknown(result *audit.Result, filter Filter, clean cleaner) []v1alpha1.Unknown {
	all := []v1alpha1.Unknown{}
	for i := range result.Unknown {
		u := &result.Unknown[i]
		shown := v1alpha1.Unknown{Cause: v1alpha1.Cause(u.Cause), Reason: clean(u.Detail)}
		if u.Container != nil {
			if !filter.shows(u.Container) {
				continue
			}
			shown.Container = Subject(u.Container, clean).String()
		}
		all = append(all, shown)
	}
	if missed := filter.missed(result.Snapshot); missed > 0 {
		all = append(all, v1alpha1.Unknown{
			Cause:  v1alpha1.CauseRuntime,
			Reason: fmt.Sprintf("%s may belong to such a pod: the name of their pod is not known, as containerd does not list them", report.Count(missed, "container")),
		})
	}
	return all
}

func ports(coverage *snapshot.PortCoverage, clean cleaner) *v1alpha1.Ports {
	if coverage == nil {
		return nil
	}
	ports := &v1alpha1.Ports{
		Sockets:    coverage.Sockets,
		Forwards:   coverage.Forwards,
		Ways:       make(map[v1alpha1.Protocol]string),
		Rules:      coverage.Rules,
		Ignored:    coverage.Ignored,
		Foreign:    coverage.Foreign,
		NoSockets:  make(map[v1alpha1.Protocol]v1alpha1.Gap),
		NoForwards: each(coverage.NoForwards, func(g snapshot.Gap) v1alpha1.Gap { return gap(g, clean) }),
		Datapath:   clean(coverage.Datapath),
	}
	for protocol, source := range coverage.Ways {
		ports.Ways[v1alpha1.Protocol(protocol)] = string(source)
	}
	for _, protocol := range coverage.Absent {
		ports.Absent = append(ports.Absent, v1alpha1.Protocol(protocol))
	}
	for protocol, g := range coverage.NoSockets {
		ports.NoSockets[v1alpha1.Protocol(protocol)] = gap(g, clean)
	}
	return ports
}

func gap(gap snapshot.Gap, clean cleaner) v1alpha1.Gap {
	return v1alpha1.Gap{Cause: v1alpha1.Cause(gap.Cause), Reason: clean(gap.Detail)}
}

// each converts the items of a list.
func each[From, To any](from []From, convert func(From) To) []To {
	var to []To
	for _, item := range from {
		to = append(to, convert(item))
	}
	return to
}
