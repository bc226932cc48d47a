// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// PrivilegeEscalation asks whether the threads of a container may gain privileges by executing a
// program, or have done so: no_new_privs is not set for them.
const PrivilegeEscalation Check = "PrivilegeEscalation"

func privilegeEscalation() *contextCheck {
	return &contextCheck{
		traits: traits{
			name:     PrivilegeEscalation,
			verdicts: []Verdict{Allowed, Undeclared, Gained},
			posture:  []Verdict{Allowed},
			controls: []string{"PSS restricted: Privilege Escalation", "CIS Kubernetes 5.2.6", "CIS Docker 5.26", "ATT&CK T1548"},
			drift:    []string{"ATT&CK T1548.001"},
		},
		reads:  fromCredentials,
		field:  nsinspect.FieldNoNewPrivileges,
		unread: "the kernel does not show no_new_privs, as Linux does since 4.10, so " + string(PrivilegeEscalation) + " can't be judged",
		judge:  judgePrivilegeEscalation,
	}
}

func judgePrivilegeEscalation(s *subject) []contextVerdict {
	var verdicts []contextVerdict
	if s.spec.NoNewPrivileges {
		if drift := s.weaker(inventory.NewPrivileges); drift.found() {
			drift.actual(noNewPrivileges(false))
			drift.declared(noNewPrivileges(true))
			verdicts = append(verdicts, undeclared(drift))
		}
	} else if allowed := s.evidence(mayGain); allowed.found() {
		allowed.actual(noNewPrivileges(false))
		verdicts = append(verdicts, s.allowed(allowed))
	}
	if gained := s.weaker(inventory.GainsPrivileges); gained.found() {
		var held nsinspect.Capabilities
		s.eachWeaker(inventory.GainsPrivileges, func(_ *snapshot.Process, c *snapshot.Credentials) { held |= c.Permitted })
		gained.actual(capabilityTexts(held.Without(s.spec.Ambient))...)
		gained.declared(userText(s.spec, s.spec.UID))
		verdicts = append(verdicts, contextVerdict{Gained, inventory.ByNobody, gained})
	}
	return verdicts
}

func mayGain(_ *snapshot.Process, _ *snapshot.CredentialGroup, c *snapshot.Credentials) bool {
	return c.Known.Has(nsinspect.FieldNoNewPrivileges) && !c.NoNewPrivileges
}

func noNewPrivileges(set bool) string {
	if set {
		return "no_new_privs 1"
	}
	return "no_new_privs 0"
}
