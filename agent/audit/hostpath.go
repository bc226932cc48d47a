// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"path"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// HostPath asks which files and directories of the host a container has mounted.
const HostPath Check = "HostPath"

// hostPathCheck is the check HostPath. It is a contextCheck that also has a cap to tell of.
type hostPathCheck struct{ contextCheck }

func hostPath() *hostPathCheck {
	return &hostPathCheck{contextCheck{
		traits: traits{
			name:     HostPath,
			verdicts: []Verdict{Allowed, Undeclared},
			posture:  []Verdict{Allowed},
			controls: []string{"PSS baseline: HostPath Volumes", "CIS Kubernetes 5.2.11", "CIS Docker 5.6", "CIS Docker 5.32"},
			drift:    []string{"ATT&CK T1611"},
		},
		reads: fromMounts,
		judge: judgeHostPath,
	}}
}

// Judge implements check.
func (h *hostPathCheck) Judge(node *node) ([]Finding, []Unknown) {
	findings, unknown := h.contextCheck.Judge(node)
	for i := range node.Containers {
		container := &node.Containers[i]
		if mounts := container.Mounts; node.HostSecurity != nil && mounts != nil && mounts.MoreHost > 0 && !hasGap(container, snapshot.CauseLimit) {
			detail := fmt.Sprintf("it has %d mounts of the host's file systems beyond those that are looked at", mounts.MoreHost)
			unknown = append(unknown, Unknown{container, snapshot.Gap{Cause: snapshot.CauseLimit, Detail: detail}})
		}
	}
	return findings, unknown
}

// Saw implements check.
func (h *hostPathCheck) Saw(snap *snapshot.Snapshot, container *snapshot.Container) bool {
	return h.contextCheck.Saw(snap, container) && (container.Mounts == nil || container.Mounts.MoreHost == 0)
}

func judgeHostPath(s *subject) []contextVerdict {
	var verdicts []contextVerdict
	if paths := s.hostPaths(); len(paths) > 0 {
		evidence := new(SecurityEvidence)
		evidence.actual(paths...)
		verdicts = append(verdicts, s.allowed(evidence))
	}
	if mounts := s.undeclaredMounts(); len(mounts) > 0 {
		evidence := new(SecurityEvidence)
		evidence.actual(mounts...)
		verdicts = append(verdicts, undeclared(evidence))
	}
	return verdicts
}

// hostPaths names the host's files and directories that were declared, the sensitive ones first.
func (s *subject) hostPaths() []string {
	var sensitive, others []string
	for _, mount := range s.declaredMounts() {
		if origin, _ := s.Origin(&mount); origin != inventory.OfHost {
			continue
		}
		source := path.Clean(mount.Source)
		if isSensitive(source) {
			sensitive = append(sensitive, source+marks("sensitive", mount.ReadOnly))
		} else {
			others = append(others, source+marks("", mount.ReadOnly))
		}
	}
	return append(distinct(sensitive), distinct(others)...)
}

// undeclaredMounts names the mounts of the host's file systems that nothing explains.
func (s *subject) undeclaredMounts() []string {
	if s.Mounts == nil {
		return nil
	}
	var texts []string
	for _, mount := range s.UndeclaredMounts(s.Mounts.Host) {
		texts = append(texts, fmt.Sprintf("%s of %s %d:%d at %s%s", mount.Root, mount.FSType, mount.Major, mount.Minor, mount.Point, marks("", mount.ReadOnly)))
	}
	return distinct(texts)
}

// marks says what is to be known of a path, in parentheses.
func marks(first string, readOnly bool) string {
	switch {
	case first == "" && readOnly:
		return ""
	case first == "":
		return " (writable)"
	case readOnly:
		return " (" + first + ")"
	default:
		return " (" + first + ", writable)"
	}
}

func declaresRoot(mounts []inventory.Mount) (point string, ok bool) {
	for _, mount := range mounts {
		if inventory.CleanPath(mount.Source) == "/" {
			return mount.Point, true
		}
	}
	return "", false
}
