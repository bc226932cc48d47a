// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"testing"
)

func TestExitCode(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		code int
		out  string
	}{
		"success": {},
		"help":    {err: fmt.Errorf("parse: %w", flag.ErrHelp)},
		"error":   {err: errors.New("no space"), code: 1, out: "kind: no space\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if code := exitCode("kind", test.err, &out); code != test.code || out.String() != test.out {
				t.Errorf("exit code %d, printed %q; want %d, %q", code, out.String(), test.code, test.out)
			}
		})
	}
}
