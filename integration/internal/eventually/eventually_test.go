// SPDX-License-Identifier: Apache-2.0

package eventually_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
)

func TestHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		after := func(d time.Duration) func() bool { return func() bool { return time.Since(start) >= d } }
		if err := eventually.Holds(time.Minute, "the end", after(30*time.Second)); err != nil {
			t.Error(err)
		}
		start = time.Now()
		err := eventually.Holds(time.Minute, "the end", after(time.Hour))
		if err == nil || err.Error() != "not within 1m0s: the end" {
			t.Errorf("error = %v", err)
		}
		if took := time.Since(start); took < time.Minute || took > time.Minute+time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestSucceedsTriesOnceWithoutALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, failure := 0, errors.New("not yet")
		err := eventually.Succeeds(0, func() error {
			asked++
			return failure
		})
		if !errors.Is(err, failure) || asked != 1 {
			t.Errorf("asked %d times: %v", asked, err)
		}
	})
}

func TestEqual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		eventually.Equal(t, time.Minute, "seconds", 7, func() int { return int(time.Since(start).Seconds()) })
	})
}
