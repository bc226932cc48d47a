// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// RootUser asks whether a container runs as root: any of its threads with a user id of 0, as its
// real, effective, saved or file system id.
const RootUser Check = "RootUser"

func rootUser() *contextCheck {
	return &contextCheck{
		traits: traits{
			name:     RootUser,
			verdicts: []Verdict{Allowed, Undeclared},
			posture:  []Verdict{Allowed},
			controls: []string{"PSS restricted: Running as Non-root", "CIS Kubernetes 5.2.7", "CIS Docker 4.1"},
			drift:    []string{"CIS Docker 5.24", "ATT&CK T1548.001", "ATT&CK T1609", "ATT&CK T1611"},
		},
		reads: fromCredentials,
		judge: judgeRootUser,
	}
}

func judgeRootUser(s *subject) []contextVerdict {
	if drift := s.weaker(inventory.IsRoot); drift.found() {
		drift.actual(rootTexts(s)...)
		drift.declared(userText(s.spec, s.spec.UID))
		return []contextVerdict{undeclared(drift)}
	}
	if s.spec.UID != 0 || len(s.spec.Users.UIDs) > 0 {
		return nil
	}
	root := s.evidence(func(_ *snapshot.Process, _ *snapshot.CredentialGroup, c *snapshot.Credentials) bool {
		return c.UIDs.Has(0)
	})
	if !root.found() {
		return nil
	}
	root.actual("uid 0")
	return []contextVerdict{s.allowed(root)}
}

// rootTexts says which root the threads are that should not be, whether executing a program may
// give them more, and which dangerous capabilities they hold.
func rootTexts(s *subject) []string {
	var host, mapped, escalates bool
	var held nsinspect.Capabilities
	s.eachWeaker(inventory.IsRoot, func(process *snapshot.Process, c *snapshot.Credentials) {
		host = host || c.UIDs.Has(0)
		mapped = mapped || !c.UIDs.Has(0)
		escalates = escalates || c.Known.Has(nsinspect.FieldNoNewPrivileges) && !c.NoNewPrivileges
		if s.inOwnUsers(process) {
			held |= c.Permitted
		}
	})
	var texts []string
	if host {
		texts = append(texts, "uid 0")
	}
	if mapped {
		texts = append(texts, userText(s.spec, 0))
	}
	if escalates {
		texts = append(texts, noNewPrivileges(false))
	}
	return append(texts, capabilityTexts(held&dangerous)...)
}

// userText names a user of the container. In a user namespace it is another one on the host.
func userText(spec *inventory.SecuritySpec, uid uint32) string {
	if outside, ok := spec.Users.UIDs.Outside(uid); ok {
		return fmt.Sprintf("uid %d, on the host %d", uid, outside)
	}
	return fmt.Sprintf("uid %d", uid)
}
