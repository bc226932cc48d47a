// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// Capabilities asks which capabilities a container's threads have or may get, beyond those that
// runtimes give by default.
const Capabilities Check = "Capabilities"

// dangerous are those with which a container reaches out of its walls: DAC_READ_SEARCH, NET_ADMIN,
// SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT, SYSLOG and BPF.
const dangerous nsinspect.Capabilities = 1<<2 | 1<<12 | 1<<16 | 1<<17 | 1<<19 | 1<<21 | 1<<22 | 1<<34 | 1<<39

func capabilities() *contextCheck {
	return &contextCheck{
		traits: traits{
			name:     Capabilities,
			verdicts: []Verdict{Allowed, Undeclared, NotInEffect},
			posture:  []Verdict{Allowed},
			controls: []string{"PSS baseline: Capabilities", "CIS Kubernetes 5.2.8", "CIS Kubernetes 5.2.9", "CIS Docker 5.4"},
			drift:    []string{"ATT&CK T1609", "ATT&CK T1611"},
		},
		reads: fromCredentials,
		judge: judgeCapabilities,
	}
}

func judgeCapabilities(s *subject) []contextVerdict {
	var verdicts []contextVerdict
	if added := s.spec.Bounding.Without(runtimes.DefaultCapabilities); added != 0 {
		evidence := new(SecurityEvidence)
		evidence.actual(capabilityTexts(added)...)
		verdicts = append(verdicts, s.allowed(evidence))
	}
	if drift, more := s.moreCapabilities(false); drift.found() {
		drift.actual(capabilityTexts(more)...)
		drift.declared(capabilityTexts(s.spec.Holds())...)
		verdicts = append(verdicts, undeclared(drift))
	}
	if lost := s.lostCapabilities(); len(lost) > 0 {
		evidence := new(SecurityEvidence)
		evidence.declared(lost...)
		verdicts = append(verdicts, contextVerdict{NotInEffect, inventory.ByPod, evidence})
	}
	return verdicts
}

// moreCapabilities collects the threads with capabilities that the spec does not list, either
// those with all that the host has, which are [Privileged]'s, or the others.
func (s *subject) moreCapabilities(all bool) (*SecurityEvidence, nsinspect.Capabilities) {
	var more nsinspect.Capabilities
	evidence := s.evidence(func(process *snapshot.Process, group *snapshot.CredentialGroup, c *snapshot.Credentials) bool {
		if !s.isWeaker(inventory.MoreCapabilities, process, group) || s.hasAll(process, c) != all {
			return false
		}
		more |= s.spec.More(&c.Credentials)
		return true
	})
	return evidence, more
}

// hasAll reports whether a thread may get every capability of the host, in the host's user
// namespace.
func (s *subject) hasAll(process *snapshot.Process, c *snapshot.Credentials) bool {
	return s.host.HasAll(c.Bounding) && s.inHostUsers(process)
}

// lostCapabilities returns the capabilities that the pod adds and that no thread can use: the
// runtime does not know the name, or the user is not root and so gets none of them.
func (s *subject) lostCapabilities() []string {
	if s.request == nil || s.request.Privileged {
		return nil
	}
	var lost []string
	for _, name := range s.request.Add {
		if strings.EqualFold(name, "ALL") || drops(s.request, name) {
			continue
		}
		// The runtime takes names in small letters too, and puts CAP_ in front of all of them.
		capability, known := nsinspect.CapabilityNamed(strings.ToUpper(name))
		if !known || capability.Without(s.spec.Bounding) != 0 || s.spec.UID != 0 && s.seenWithout(capability) {
			lost = append(lost, name)
		}
	}
	return distinct(lost)
}

func drops(request *inventory.SecurityRequest, name string) bool {
	return slices.ContainsFunc(request.Drop, func(dropped string) bool { return strings.EqualFold(dropped, name) })
}

// seenWithout reports whether all threads were seen, and none has a capability.
func (s *subject) seenWithout(capability nsinspect.Capabilities) bool {
	return s.seenWhole() && !slices.ContainsFunc(s.Credentials, func(c snapshot.Credentials) bool { return c.Permitted&capability != 0 })
}

// capabilityTexts names capabilities, the dangerous ones first and marked.
func capabilityTexts(set nsinspect.Capabilities) []string {
	var texts []string
	for _, name := range (set & dangerous).Names() {
		texts = append(texts, name+" (dangerous)")
	}
	return append(texts, set.Without(dangerous).Names()...)
}
