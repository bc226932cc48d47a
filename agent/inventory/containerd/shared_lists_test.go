// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestSharedLists(t *testing.T) {
	t.Parallel()
	lists := newSharedLists()
	first := lists.one([]string{"/proc/keys", "/proc/acpi"})
	tests := map[string]struct {
		list   []string
		shared bool
	}{
		"equal":            {[]string{"/proc/keys", "/proc/acpi"}, true},
		"of another order": {[]string{"/proc/acpi", "/proc/keys"}, false},
		"with a 0 byte":    {[]string{"/proc/keys\x00/proc/acpi"}, false},
		"longer":           {[]string{"/proc/keys", "/proc/acpi", ""}, false},
	}
	for name, test := range tests {
		got := lists.one(test.list)
		if !slices.Equal(got, test.list) {
			t.Errorf("%s: %q, want %q", name, got, test.list)
		}
		if shared := &got[0] == &first[0]; shared != test.shared {
			t.Errorf("%s: shared %t", name, shared)
		}
	}
}

func TestSharedListsAreBounded(t *testing.T) {
	t.Parallel()
	lists := newSharedLists()
	lists.one([]string{strings.Repeat("x", maxSharedBytes+1)})
	if len(lists.lists) != 0 {
		t.Error("a list above the cap is kept")
	}
	for i := range 2 * maxSharedLists {
		lists.one([]string{fmt.Sprint(i)})
	}
	if len(lists.lists) != maxSharedLists {
		t.Errorf("%d lists are kept, want %d", len(lists.lists), maxSharedLists)
	}
}
