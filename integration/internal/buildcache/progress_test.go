// SPDX-License-Identifier: Apache-2.0

package buildcache

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStepReportsWhatAndHowLong(t *testing.T) {
	var out bytes.Buffer
	p := Progress{Program: "test", Out: &out}
	if err := p.Step(t.Context(), "waiting", time.Minute, func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("test: waiting\ntest: waiting: done in 0s\n", out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// At its deadline a program dies of a signal; the error has to name the deadline too.
func TestStepGivesUp(t *testing.T) {
	p := Progress{Out: new(bytes.Buffer)}
	killed := errors.New("signal: terminated")
	err := p.Step(t.Context(), "waiting", time.Millisecond, func(ctx context.Context) error {
		<-ctx.Done()
		return killed
	})
	if !errors.Is(err, killed) {
		t.Fatalf("error = %v, want %v in it", err, killed)
	}
	if diff := cmp.Diff("waiting: given up after 1ms\nsignal: terminated", err.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
