// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"
)

func TestParseDepends(t *testing.T) {
	got := parseDepends("linux-image-6.1\n  Depends: kmod\n  Depends: <linux-initramfs-tool>\n    dracut\n  Recommends: apparmor\n")
	if want := []string{"kmod", "<linux-initramfs-tool>"}; !slices.Equal(got, want) {
		t.Errorf("parseDepends() = %q, want %q", got, want)
	}
}
