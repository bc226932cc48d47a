// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestAddGap(t *testing.T) {
	t.Parallel()
	var gaps []Gap
	for i := range 2*maxGaps + 2 {
		AddGap(&gaps, CauseRead, fmt.Sprint(i/2)) // Each twice.
	}
	AddGap(&gaps, CauseDenied, "one too many")
	var want []Gap
	for i := range maxGaps {
		want = append(want, Gap{CauseRead, fmt.Sprint(i)})
	}
	want = append(want, Gap{CauseLimit, "and more"})
	if diff := cmp.Diff(want, gaps); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestLongGap has a reason that names a path of some kilobytes.
func TestLongGap(t *testing.T) {
	t.Parallel()
	for _, path := range []string{strings.Repeat("x", 4096), "x" + strings.Repeat("é", 2048), strings.Repeat("\xff", 4096)} {
		var gaps []Gap
		AddGap(&gaps, CauseRead, path)
		AddGap(&gaps, CauseRead, path)
		if len(gaps) != 1 || len(gaps[0].Detail) > maxDetail+len("…") || !utf8.ValidString(gaps[0].Detail) {
			t.Errorf("gaps %q", gaps)
		}
	}
}
