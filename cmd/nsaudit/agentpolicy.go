// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/nsaudit/nsaudit/agent/policy"
	"github.com/nsaudit/nsaudit/agent/policy/policyfile"
)

// policyInvalid is the reason of the Event for a policy that can't be used.
const policyInvalid = "PolicyInvalid"

// openPolicy reads the policy. A file that can't be used is a problem that is reported while the
// agent works: it then finds more.
func (s *service) openPolicy() error {
	if s.options.policy == "" {
		s.policy = fixedPolicy{policy.Empty().WithSelf(s.options.podUID)}
		return nil
	}
	var err error
	s.policyFile, err = policyfile.New(policyfile.Config{
		Path: s.options.policy, PodUID: s.options.podUID, Notice: s.noticePolicy,
		Registerer: s.registry, Logger: s.logger,
	})
	s.policy = s.policyFile
	return err
}

// noticePolicy says on the Node that the policy can't be used, and when it can again.
func (s *service) noticePolicy(problem error) {
	if s.events == nil {
		return
	}
	note := ""
	if problem != nil {
		note = problem.Error()
	}
	s.events.Notice(policyInvalid, note)
}

// fixedPolicy is a policy that does not change.
type fixedPolicy struct{ policy *policy.Policy }

func (f fixedPolicy) Current() *policy.Policy { return f.policy }
func (fixedPolicy) Changed() <-chan struct{}  { return nil }
