// SPDX-License-Identifier: Apache-2.0

package report

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

// TestHeldNote has each way to have a hold of a namespace.
func TestHeldNote(t *testing.T) {
	t.Parallel()
	finding := &v1alpha1.Finding{
		Verdict: v1alpha1.Held, DeclaredBy: v1alpha1.ByNobody,
		Evidence: v1alpha1.Evidence{
			Kind: "net", Namespace: v1alpha1.NamespaceID{Dev: 4, Ino: 9},
			Held:     []v1alpha1.Hold{{Way: "file", Detail: "3", PID: 7, Command: "web"}, {Way: "mount", Detail: "of its file at /tmp/net"}},
			MoreHeld: 2,
		},
	}
	want := "has a hold of the host's network namespace net:[9] without being in it, which nobody declared: " +
		"file 3 of pid 7 (web), mount of its file at /tmp/net and 2 more."
	if diff := cmp.Diff(want, Note(finding, &v1alpha1.Declaration{}, Limits{Processes: 2})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
