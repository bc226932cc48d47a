// SPDX-License-Identifier: Apache-2.0

package procfd

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/fakeproc"
)

func TestReadAll(t *testing.T) {
	fake := fakeproc.New(t)
	const limit = 100
	tests := map[string]struct {
		size    int
		wantErr error
	}{
		"empty":           {0, nil},
		"one buffer":      {15, nil},
		"fills buffer":    {16, nil},
		"several buffers": {50, nil},
		"below the cap":   {limit - 1, nil},
		"at the cap":      {limit, ErrTooLarge}, // There may be more: it was not read to the end.
		"above the cap":   {limit + 1, ErrTooLarge},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := strings.Repeat("x", test.size)
			fake.Write(name, want)
			text, err := ReadAll(unix.AT_FDCWD, fake.Path(name), make([]byte, 16), limit)
			if !errors.Is(err, test.wantErr) {
				t.Fatalf("ReadAll: %v, want %v", err, test.wantErr)
			}
			if err == nil && string(text) != want {
				t.Errorf("ReadAll gave %d bytes, want %d", len(text), test.size)
			}
		})
	}
}
