// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

// maxWords is how many of the words about a security context a text names.
const maxWords = 6

// isSecurity reports whether a finding is about the security context: its evidence is of no
// namespace and of no port.
func isSecurity(evidence *v1alpha1.Evidence) bool {
	return evidence.Kind == "" && len(evidence.Ports) == 0
}

// securityNote says what was found of a container's security context: "has processes that run as
// root: uid 0 (declared: uid 405): pid 12 (sh)."
func securityNote(finding *v1alpha1.Finding, limits Limits) string {
	return fmt.Sprintf("%s: %s.", securityPhrase(finding), Evidence(&finding.Evidence, limits))
}

// securityEvidence names what there is, what was declared, and the processes.
func securityEvidence(evidence *v1alpha1.Evidence, limits Limits) string {
	var parts []string
	if actual := words(evidence.Actual, evidence.MoreActual); actual != "" {
		parts = append(parts, actual)
	}
	if declared := words(evidence.Declared, evidence.MoreDeclared); declared != "" {
		parts = append(parts, "declared: "+declared)
	}
	if len(evidence.Processes) > 0 {
		parts = append(parts, processesText(evidence.Processes, evidence.MoreProcesses, limits.Processes))
	}
	return strings.Join(parts, "; ")
}

func words(all []string, more int) string {
	return list(all, more, maxWords, func(word *string) string { return *word })
}

// securityPhrase says in a few words what a finding about the security context is. One that this
// program does not know is called by its reason.
func securityPhrase(finding *v1alpha1.Finding) string {
	if phrase, ok := securityPhrases(finding)[finding.Check]; ok {
		return phrase
	}
	return "has the finding " + finding.Reason
}

// securityPhrases are those for findings with the same verdict, by check.
func securityPhrases(finding *v1alpha1.Finding) map[v1alpha1.Check]string {
	switch {
	case finding.Verdict == v1alpha1.NotInEffect:
		return lostPhrases()
	case finding.DeclaredBy == v1alpha1.ByNobody:
		return driftPhrases()
	}
	return allowedPhrases()
}

// driftPhrases are for what differs from what was declared, by check.
func driftPhrases() map[v1alpha1.Check]string {
	return map[v1alpha1.Check]string{
		"RootUser":            "has processes that run as root",
		"User":                "has processes of another user than declared",
		"Groups":              "has processes with groups that it was not given",
		"Privileged":          "has all of the host's capabilities, though it is not privileged",
		"Capabilities":        "has processes with capabilities that it was not given",
		"PrivilegeEscalation": "has processes that may gain privileges, or have gained them",
		"Seccomp":             "has processes without a seccomp filter, though one was declared",
		"AppArmor":            "is not confined by the AppArmor profile that was declared",
		"SELinux":             "is not confined by the SELinux label that was declared",
		"HostRoot":            "has processes whose root directory is the host's",
		"WritableRoot":        "has a writable root file system, though a read-only one was declared",
		"ProcUnmasked":        "sees paths below /proc that should be masked",
		"HostPath":            "has mounts of the host's file systems that nobody declared",
		"UserRanges":          "shares user or group ids of the host with another pod",
		"PodSecurityLevel":    "is held to a lower Pod Security level than its pod declares",
	}
}

// lostPhrases are for what was declared and is not in effect, by check.
func lostPhrases() map[v1alpha1.Check]string {
	return map[v1alpha1.Check]string{
		"Groups":       "lacks supplementary groups that its pod declares",
		"Capabilities": "has no use of capabilities that its pod adds",
		"Seccomp":      "runs without the seccomp profile that its pod declares",
		"AppArmor":     "runs without the AppArmor profile that its pod declares",
		"SELinux":      "runs without the SELinux label that its pod declares",
	}
}

// allowedPhrases are for the posture, by check.
func allowedPhrases() map[v1alpha1.Check]string {
	return map[v1alpha1.Check]string{
		"RootUser":            "runs as root",
		"Groups":              "has groups that its image gives it",
		"Privileged":          "is privileged",
		"Capabilities":        "has capabilities beyond the runtime's default ones",
		"PrivilegeEscalation": "may gain privileges by executing a program",
		"Seccomp":             "runs without a seccomp filter",
		"AppArmor":            "runs without an AppArmor profile",
		"SELinux":             "runs without an SELinux label for containers",
		"HostRoot":            "has processes whose root directory is the host's, which its pod mounts",
		"WritableRoot":        "has a writable root file system",
		"ProcUnmasked":        "sees all of /proc",
		"HostPath":            "has directories or files of the host",
		"Devices":             "has devices of the host",
		"Sysctls":             "has sysctls that are not safe",
		"Propagation":         "shares mounts with the host",
	}
}
