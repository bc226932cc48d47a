// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"strings"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// SELinux asks whether SELinux confines a container to a type for containers, on hosts that have
// it. Which files the type may reach is not looked at, nor the level.
const SELinux Check = "SELinux"

func seLinux() *contextCheck {
	return &contextCheck{
		traits: traits{
			name:     SELinux,
			verdicts: []Verdict{Allowed, Undeclared, NotInEffect},
			posture:  []Verdict{Allowed},
			controls: []string{"PSS baseline: SELinux", "CIS Docker 5.3"},
		},
		reads: fromLabels,
		judge: judgeSELinux,
	}
}

func judgeSELinux(s *subject) []contextVerdict {
	if s.host.Module != nsinspect.SELinux {
		return nil
	}
	told := nsinspect.Label{Module: nsinspect.SELinux, Name: s.spec.SELinux}.Type()
	switch asked := s.request != nil && s.request.SELinux != nil; {
	case told != "":
		drift := s.labels(func(l *nsinspect.Label) bool { return l.Type() != told })
		drift.declared(s.spec.SELinux)
		if verdicts := ifFound(drift, undeclared); verdicts != nil {
			return verdicts
		}
	case asked:
		lost := new(SecurityEvidence)
		lost.declared(optionsText(s.request.SELinux))
		return []contextVerdict{{NotInEffect, inventory.ByPod, lost}}
	}
	return ifFound(s.labels(func(l *nsinspect.Label) bool { return !strings.HasPrefix(l.Type(), "container_") }), s.allowed)
}

// optionsText puts the options of a pod in the form of a context: "::spc_t:".
func optionsText(o *inventory.SELinuxOptions) string {
	return strings.Join([]string{o.User, o.Role, o.Type, o.Level}, ":")
}
