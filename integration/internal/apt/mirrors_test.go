// SPDX-License-Identifier: Apache-2.0

package apt

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMirrors(t *testing.T) {
	got := parseMirrors(`Get: this line is not a URI
'http://mirror.example/debian/dists/bookworm/InRelease' mirror.example_InRelease 0 
'http://mirror.example/debian/dists/bookworm-updates/InRelease' mirror.example_InRelease 0 
'http://mirror.example/debian-security/dists/bookworm-security/InRelease' mirror.example_InRelease 0 
'http://flat.example/./InRelease' flat.example_InRelease 0 
`)
	want := []string{"http://mirror.example/debian", "http://mirror.example/debian-security"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
