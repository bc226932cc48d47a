// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// TestLevels checks that a level without pods is 0, and that without the host's security context
// there is no such claim.
func TestLevels(t *testing.T) {
	t.Parallel()
	e := newExporter(t, Build{})
	seen := snap(podContainer("p", "main", "a", byPod()))
	e.Publish(audit.Judge(seen))
	if got := gather(t, e, "nsaudit_pods_by_security_level"); got != nil {
		t.Errorf("without the host's security context: %q", got)
	}
	seen.HostSecurity = &snapshot.HostSecurity{}
	e.Publish(audit.Judge(seen))
	want := []string{"baseline 0", "privileged 0", "restricted 0", "unknown 1"}
	if diff := cmp.Diff(want, gather(t, e, "nsaudit_pods_by_security_level")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
