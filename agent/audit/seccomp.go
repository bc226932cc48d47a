// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// Seccomp asks whether a seccomp filter restricts the system calls of a container's threads. What
// the filter does can't be read: that there is one is what the kernel shows.
const Seccomp Check = "Seccomp"

func seccomp() *contextCheck {
	return &contextCheck{
		traits: traits{
			name:     Seccomp,
			verdicts: []Verdict{Allowed, Undeclared, NotInEffect},
			posture:  []Verdict{Allowed},
			controls: []string{"PSS restricted: Seccomp", "CIS Kubernetes 5.6.2", "CIS Docker 5.22"},
			drift:    []string{"ATT&CK T1611"},
		},
		reads:  fromCredentials,
		field:  nsinspect.FieldSeccomp,
		unread: "the kernel does not show the seccomp mode of threads, so " + string(Seccomp) + " can't be judged",
		judge:  judgeSeccomp,
	}
}

func judgeSeccomp(s *subject) []contextVerdict {
	var asked *inventory.Profile
	if s.request != nil {
		asked = confining(s.request.Seccomp)
	}
	switch {
	case s.spec.Seccomp:
		drift := s.weaker(inventory.NoFilter)
		drift.declared(profileText(asked, "a filter"))
		return unfiltered(drift, undeclared)
	case asked == nil || s.spec.SeccompAllowsAll:
		return unfiltered(s.evidence(noFilter), s.allowed)
	case s.request.Privileged:
		// The runtime leaves the profile of a privileged container out, and tells nobody.
		lost := &SecurityEvidence{Declared: []string{profileText(asked, "")}}
		return []contextVerdict{{NotInEffect, inventory.ByPod, lost}}
	default:
		drift := s.evidence(noFilter)
		drift.declared(profileText(asked, ""))
		return unfiltered(drift, undeclared)
	}
}

// unfiltered returns the verdict on threads that have no filter, if there are any.
func unfiltered(evidence *SecurityEvidence, verdict func(*SecurityEvidence) contextVerdict) []contextVerdict {
	evidence.actual("no filter")
	return ifFound(evidence, verdict)
}

func noFilter(_ *snapshot.Process, _ *snapshot.CredentialGroup, c *snapshot.Credentials) bool {
	return c.Known.Has(nsinspect.FieldSeccomp) && c.Seccomp == nsinspect.SeccompDisabled
}

// confining returns a profile that was asked for, unless that was none.
func confining(profile *inventory.Profile) *inventory.Profile {
	if profile == nil || profile.Type == inventory.Unconfined {
		return nil
	}
	return profile
}

// profileText names a profile that was asked for, or else what the runtime was told.
func profileText(asked *inventory.Profile, told string) string {
	switch {
	case asked == nil:
		return told
	case asked.Name != "":
		return string(asked.Type) + " " + asked.Name
	default:
		return string(asked.Type)
	}
}
