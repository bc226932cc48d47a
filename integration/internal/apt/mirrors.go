// SPDX-License-Identifier: Apache-2.0

// Package apt reads how this machine's apt is configured.
package apt

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/integration/internal/command"
)

// Mirrors lists the Debian archives that this machine's apt is configured to use, in the order of its configuration.
func Mirrors(ctx context.Context) ([]string, error) {
	// With no lists at hand, apt names the URIs that it would start from.
	output, err := command.Run(ctx, "apt-get", "update", "--print-uris", "-o", "Dir::State::lists=/nonexistent")
	if err != nil {
		return nil, err
	}
	mirrors := parseMirrors(output)
	if len(mirrors) == 0 {
		return nil, errors.New("this machine's apt has no package archive configured")
	}
	return mirrors, nil
}

// parseMirrors reads lines like 'http://HOST/debian/dists/bookworm/InRelease' NAME 0.
func parseMirrors(output string) []string {
	var mirrors []string
	for line := range strings.Lines(output) {
		uri, quoted := strings.CutPrefix(line, "'")
		mirror, _, isRelease := strings.Cut(uri, "/dists/")
		if quoted && isRelease && !slices.Contains(mirrors, mirror) {
			mirrors = append(mirrors, mirror)
		}
	}
	return mirrors
}
