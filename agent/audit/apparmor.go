// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// AppArmor asks whether a profile of AppArmor confines a container, on hosts that have it.
const AppArmor Check = "AppArmor"

// stacked is between the profiles of a stack.
const stacked = "//&"

func appArmor() *contextCheck {
	return &contextCheck{
		traits: traits{
			name:     AppArmor,
			verdicts: []Verdict{Allowed, Undeclared, NotInEffect},
			posture:  []Verdict{Allowed},
			controls: []string{"PSS baseline: AppArmor", "CIS Docker 5.2"},
		},
		reads: fromLabels,
		judge: judgeAppArmor,
	}
}

func judgeAppArmor(s *subject) []contextVerdict {
	if s.host.Module != nsinspect.AppArmor {
		return nil
	}
	var asked *inventory.Profile
	if s.request != nil {
		asked = confining(s.request.AppArmor)
	}
	told := s.spec.AppArmor
	if told == nsinspect.Unconfined {
		told = ""
	}
	unconfined := s.labels(func(l *nsinspect.Label) bool { return !confines(l, told) })
	switch {
	case told != "":
		unconfined.declared(told)
		return ifFound(unconfined, undeclared)
	case asked != nil && s.request.Privileged:
		// The runtime leaves the profile of a privileged container out, and tells nobody.
		return []contextVerdict{{NotInEffect, inventory.ByPod, &SecurityEvidence{Declared: []string{profileText(asked, "")}}}}
	case asked != nil:
		unconfined.declared(profileText(asked, ""))
		return ifFound(unconfined, undeclared)
	default:
		return ifFound(unconfined, s.allowed)
	}
}

// confines reports whether a label is that of a profile that is enforced: of this one, of a stack
// that it is part of, or of a profile below it, if it is named. A stack that is named is found by
// its parts: the kernel shows them in an order of its own.
func confines(label *nsinspect.Label, profile string) bool {
	switch label.Mode {
	case "", "complain", "unconfined":
		return false
	}
	if profile == "" {
		return true
	}
	parts := strings.Split(label.Name, stacked)
	for told := range strings.SplitSeq(profile, stacked) {
		if !slices.ContainsFunc(parts, func(part string) bool { return part == told || strings.HasPrefix(part, told+"//") }) {
			return false
		}
	}
	return true
}

// labels collects the threads of which the label fits. A label that was not read does not.
func (s *subject) labels(fits func(*nsinspect.Label) bool) *SecurityEvidence {
	var names []string
	evidence := s.evidence(func(_ *snapshot.Process, group *snapshot.CredentialGroup, c *snapshot.Credentials) bool {
		if group.Unconfirmed == inventory.AnyWeakness {
			return false // It was still the runtime's.
		}
		if c.Label == nil || c.Label.Module != s.host.Module || !fits(c.Label) {
			return false
		}
		names = append(names, c.Label.String())
		return true
	})
	evidence.actual(distinct(names)...)
	return evidence
}

// labelled reports whether the labels of a container were read, or there are none to read.
func labelled(host *snapshot.HostSecurity, container *snapshot.Container) bool {
	return host.Module == "" ||
		!slices.ContainsFunc(container.Credentials, func(c snapshot.Credentials) bool { return c.Label == nil })
}
