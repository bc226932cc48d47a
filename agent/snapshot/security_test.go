// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"testing"

	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

// TestIsNested has processes in the user namespaces that there are around a container's. Only those
// below it are nested.
func TestIsNested(t *testing.T) {
	t.Parallel()
	const unknown, host, own, other = 0, 5, 105, 205
	in := func(users uint64) (all nsinspect.Namespaces) {
		if users != unknown {
			all.Set(nsinspect.User, nstest.ID(users))
		}
		return all
	}
	for name, test := range map[string]struct {
		process, container, host uint64
		want                     bool
	}{
		"the container's":                    {own, own, host, false},
		"one below":                          {other, own, host, true},
		"one below the host's":               {other, host, host, true},
		"the host's, of a usual container":   {host, host, host, false},
		"the host's, above that of a pod":    {host, own, host, false},
		"that of the process was not read":   {unknown, own, host, false},
		"that of the container was not read": {other, unknown, host, false},
		"the host's was not read":            {other, own, unknown, true},
	} {
		container, own := new(Container), in(test.container)
		container.UserNamespace, _ = own.Get(nsinspect.User)
		process := &Process{Groups: []nsinspect.ThreadGroup{{Namespaces: in(test.process)}}}
		if got := container.IsNested(process, &nsinspect.HostReference{Namespaces: in(test.host)}); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
