// Package text renders a scan for people and scripts: as a table, JSON or YAML.
//
// All texts in it that come from processes, images or pods are cleaned while the document
// is made, so no renderer can let a control character through.
package text

import (
	"fmt"
	"time"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// Scan is the document of one scan, as JSON and YAML show it.
type Scan struct {
	APIVersion      string                  `json:"apiVersion"`
	Kind            string                  `json:"kind"`
	Node            string                  `json:"node"`
	Time            time.Time               `json:"time"`
	DurationSeconds float64                 `json:"durationSeconds"`
	Host            nsinspect.HostReference `json:"host"`
	Inventory       Inventory               `json:"inventory"`
	Coverage        Coverage                `json:"coverage"`
	Ports           *snapshot.PortCoverage  `json:"ports,omitempty"`
	Containers      []Container             `json:"containers"`
	Findings        []Finding               `json:"findings"`

	// filtered says that containers may have been left out.
	filtered bool
}

// ScanKind is the kind of the document.
const ScanKind = "Scan"

// Inventory says where the containers were learnt from.
type Inventory struct {
	Source  string `json:"source"`
	Address string `json:"address,omitempty"`
	Version string `json:"version,omitempty"`
}

// Coverage says how much was looked at.
type Coverage struct {
	Containers int       `json:"containers"`
	Processes  int       `json:"processes"`
	Threads    int       `json:"threads"`
	Vanished   int       `json:"vanished"`
	Denied     int       `json:"denied"`
	Transient  int       `json:"transient"`
	Unknown    []Unknown `json:"unknown"`
}

// Unknown is something that could not be seen: of a container, or of the whole node where
// the container is empty.
type Unknown struct {
	Container string         `json:"container,omitempty"`
	Cause     snapshot.Cause `json:"cause"`
	Reason    string         `json:"reason"`
}

// Pod is the pod of a container.
type Pod struct {
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	UID       string `json:"uid,omitempty"`
}

// ContainerRef names a container.
type ContainerRef struct {
	ID               string `json:"id"`
	Name             string `json:"name,omitempty"`
	Image            string `json:"image,omitempty"`
	RuntimeNamespace string `json:"runtimeNamespace,omitempty"`
	Runtime          string `json:"runtime,omitempty"`
	// Sandbox says that this is the pod's pause container.
	Sandbox bool `json:"sandbox,omitempty"`
}

// Container is a container that was looked at.
type Container struct {
	ContainerRef

	Pod      *Pod                  `json:"pod,omitempty"`
	Status   inventory.Status      `json:"status"`
	PID      int                   `json:"pid,omitempty"`
	Declared inventory.Declaration `json:"declared"`
	// Processes is the number of processes in the container's cgroup.
	Processes int `json:"processes"`
}

// Finding is a check that fired.
type Finding struct {
	Check      audit.Check        `json:"check"`
	DeclaredBy inventory.Declarer `json:"declaredBy"`
	Reason     string             `json:"reason"`
	Verdict    audit.Verdict      `json:"-"`
	Severity   audit.Severity     `json:"-"`
	Pod        *Pod               `json:"pod,omitempty"`
	Container  ContainerRef       `json:"container"`
	Evidence   audit.Evidence     `json:"evidence"`
	Controls   []string           `json:"controls"`
}

// Filter chooses the containers that a document shows. The zero value shows all.
type Filter struct {
	// Namespace and Pod are names of the pod; empty for any.
	Namespace string
	Pod       string
}

// mayMiss says whether a container that is not shown might belong to a pod that is asked
// for: it is known by its cgroup only.
func (f Filter) mayMiss(container *snapshot.Container) bool {
	unnamed := container.Pod == nil && container.RuntimeNamespace == "" || container.Pod != nil && container.Pod.Name == ""
	return unnamed && !f.shows(container)
}

func (f Filter) shows(container *snapshot.Container) bool {
	if f == (Filter{}) {
		return true
	}
	return container.Pod != nil &&
		(f.Namespace == "" || f.Namespace == container.Pod.Namespace) &&
		(f.Pod == "" || f.Pod == container.Pod.Name)
}

// NewScan makes the document of a result. What is unknown of the whole
// node is shown whatever the filter.
func NewScan(result *audit.Result, filter Filter) *Scan {
	snap := result.Snapshot
	scan := &Scan{
		APIVersion:      snapshot.APIVersion,
		Kind:            ScanKind,
		Node:            report.Clean(snap.Node),
		Time:            snap.Time,
		DurationSeconds: snap.Duration.Seconds(),
		Host:            snap.Host,
		Inventory: Inventory{
			Source:  report.Clean(snap.Inventory.Source),
			Address: report.Clean(snap.Inventory.Address),
			Version: report.Clean(snap.Inventory.Version),
		},
		Coverage: Coverage{
			Processes: snap.Coverage.Processes,
			Threads:   snap.Coverage.Threads,
			Vanished:  snap.Coverage.Vanished,
			Denied:    snap.Coverage.Denied,
			Transient: snap.Coverage.Transient,
			Unknown:   []Unknown{},
		},
		Containers: []Container{},
		Findings:   []Finding{},
		filtered:   filter != (Filter{}),
	}
	scan.Ports = cleanPorts(snap.Ports)
	scan.Host.Reference = nsinspect.HostSource(report.Clean(string(scan.Host.Reference)))
	scan.Host.Containers = cleanAll(scan.Host.Containers)
	scan.addContainers(snap, filter)
	scan.addUnknown(result.Unknown, filter)
	scan.addMissed(snap, filter)
	scan.addFindings(result.Findings, filter)
	return scan
}

func (s *Scan) addContainers(snap *snapshot.Snapshot, filter Filter) {
	for i := range snap.Containers {
		container := &snap.Containers[i]
		if !filter.shows(container) {
			continue
		}
		s.Containers = append(s.Containers, Container{
			ContainerRef: refOf(container),
			Pod:          podOf(container),
			Status:       inventory.Status(report.Clean(string(container.Status))),
			PID:          container.PID,
			Declared:     cleanDeclaration(container.Declared),
			Processes:    len(container.Processes),
		})
	}
	s.Coverage.Containers = len(s.Containers)
}

func (s *Scan) addUnknown(unknown []audit.Unknown, filter Filter) {
	for _, u := range unknown {
		shown := Unknown{Cause: snapshot.Cause(report.Clean(string(u.Cause))), Reason: report.Clean(u.Detail)}
		if container := u.Container; container != nil {
			if !filter.shows(container) {
				continue
			}
			shown.Container = label(podOf(container), refOf(container))
		}
		s.Coverage.Unknown = append(s.Coverage.Unknown, shown)
	}
}

// addMissed notes that the filter may have left out too much.
func (s *Scan) addMissed(snap *snapshot.Snapshot, filter Filter) {
	missed := 0
	for i := range snap.Containers {
		if filter.mayMiss(&snap.Containers[i]) {
			missed++
		}
	}
	if missed > 0 {
		s.Coverage.Unknown = append(s.Coverage.Unknown, Unknown{
			Cause:  snapshot.CauseRuntime,
			Reason: fmt.Sprintf("%s may belong to such a pod: the name of their pod is not known, as containerd does not list them", count(missed, "container")),
		})
	}
}

func (s *Scan) addFindings(findings []audit.Finding, filter Filter) {
	for i := range findings {
		finding := &findings[i]
		container := finding.Container
		if !filter.shows(container) {
			continue
		}
		s.Findings = append(s.Findings, Finding{
			Check:      finding.Check,
			DeclaredBy: inventory.Declarer(report.Clean(string(finding.DeclaredBy))),
			Verdict:    finding.Verdict,
			Severity:   finding.Severity,
			Reason:     finding.Reason(),
			Pod:        podOf(container),
			Container:  refOf(container),
			Evidence:   report.CleanEvidence(finding.Evidence, report.Clean),
			Controls:   finding.Controls,
		})
	}
}

func podOf(container *snapshot.Container) *Pod {
	if container.Pod == nil {
		return nil
	}
	return &Pod{
		Namespace: report.Clean(container.Pod.Namespace),
		Name:      report.Clean(container.Pod.Name),
		UID:       report.Clean(container.Pod.UID),
	}
}

func refOf(container *snapshot.Container) ContainerRef {
	return ContainerRef{
		ID:               report.Clean(container.ID),
		Name:             report.Clean(container.Name),
		Image:            report.Clean(container.Image),
		RuntimeNamespace: report.Clean(container.RuntimeNamespace),
		Runtime:          report.Clean(container.Runtime),
		Sandbox:          container.Sandbox,
	}
}
