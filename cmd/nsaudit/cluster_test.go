// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"testing"
)

// TestUserAgent has the form by which API servers tell clients apart.
func TestUserAgent(t *testing.T) {
	t.Parallel()
	if got := userAgent(); !regexp.MustCompile(`^nsaudit-agent/\S+ \(linux/[a-z0-9]+\)$`).MatchString(got) {
		t.Errorf("%q", got)
	}
}
