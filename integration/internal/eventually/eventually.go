// SPDX-License-Identifier: Apache-2.0

// Package eventually waits in tests for what other processes or the kernel do in their own time.
package eventually

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	interval = 20 * time.Millisecond
	// clusterInterval is longer: each question to a cluster starts a kubectl.
	clusterInterval = 250 * time.Millisecond
)

// Holds waits for a condition, and returns an error unless it holds within the limit.
func Holds(limit time.Duration, what string, condition func() bool) error {
	return Succeeds(limit, func() error {
		if !condition() {
			return fmt.Errorf("not within %v: %s", limit, what)
		}
		return nil
	})
}

// Succeeds tries until there is no error, and returns the last error when the limit is over. A limit of 0 is for one try.
func Succeeds(limit time.Duration, try func() error) error { return poll(limit, interval, try) }

func poll(limit, pause time.Duration, try func() error) error {
	for deadline := time.Now().Add(limit); ; time.Sleep(pause) {
		if err := try(); err == nil || !time.Now().Before(deadline) {
			return err
		}
	}
}

// True fails the test unless the condition holds within a minute.
func True(t testing.TB, what string, condition func() bool) {
	t.Helper()
	if err := Holds(time.Minute, what, condition); err != nil {
		t.Fatal(err)
	}
}

// Equal fails the test, with the difference, unless get returns the wanted value within the limit.
func Equal[T any](t testing.TB, limit time.Duration, what string, want T, get func() T) {
	t.Helper()
	if err := poll(limit, clusterInterval, func() error {
		if diff := cmp.Diff(want, get()); diff != "" {
			return fmt.Errorf("%s, after %v (-want +got):\n%s", what, limit, diff)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
