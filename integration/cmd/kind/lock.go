// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/buildcache"
)

// lockLimit is longer than the first bring-up of a cluster takes.
const lockLimit = 90 * time.Minute

// lock waits until no other run holds the cache: there is one cluster of a name, and each artifact is built once.
func lock(ctx context.Context, store buildcache.Cache) (release func(), err error) {
	if err := os.MkdirAll(store.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make cache: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(store.Dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock cache: %w", err)
	}
	release = func() { _ = file.Close() } // which also unlocks
	if tryLock(file) == nil {
		return release, nil
	}
	err = store.Progress.Step(ctx, "waiting for another run", lockLimit, func(ctx context.Context) error {
		return awaitLock(ctx, file)
	})
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

func tryLock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// awaitLock retries periodically: an flock that blocks can't be cancelled.
func awaitLock(ctx context.Context, file *os.File) error {
	for {
		if err := tryLock(file); !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}
