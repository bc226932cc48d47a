// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// User asks whether a container that should not be root has threads of yet another user. Those
// of root are [RootUser]'s.
const User Check = "User"

func user() *contextCheck {
	return &contextCheck{
		traits: traits{
			name:     User,
			verdicts: []Verdict{Undeclared},
		},
		reads: fromCredentials,
		judge: judgeUser,
	}
}

func judgeUser(s *subject) []contextVerdict {
	drift := s.weaker(inventory.OtherUser)
	if !drift.found() {
		return nil
	}
	var users []string
	s.eachWeaker(inventory.OtherUser, func(_ *snapshot.Process, c *snapshot.Credentials) {
		users = append(users, fmt.Sprintf("uid %d", c.UIDs.Effective))
	})
	drift.actual(distinct(users)...)
	drift.declared(userText(s.spec, s.spec.UID))
	return []contextVerdict{undeclared(drift)}
}
