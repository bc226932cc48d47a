package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// cache is a directory of things that are made once. What is in it is complete:
// a thing is made in a temporary directory and then renamed.
type cache struct {
	dir      string
	progress progress
}

// makingPrefix is that of temporary directories.
const makingPrefix = "making-"

// lockLimit is longer than the first bring-up of a cluster takes.
const lockLimit = 90 * time.Minute

// lock waits until no other run is at work: there is one cluster of a name, and
// each thing is to be made once.
func (c cache) lock(ctx context.Context) (release func(), err error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make cache: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(c.dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock cache: %w", err)
	}
	release = func() { _ = file.Close() } // which also unlocks
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		return release, nil
	}
	err = c.progress.step(ctx, "waiting for another run", lockLimit, func(ctx context.Context) error {
		for {
			err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
			if !errors.Is(err, syscall.EWOULDBLOCK) {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
			}
		}
	})
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// thing is something to be made once.
type thing struct {
	name   string
	what   string        // what making it is, for people
	recipe []string      // all that its making depends on
	limit  time.Duration // that making it may take
	fill   func(ctx context.Context, dir string) error
}

// key tells things of one name apart.
func (t thing) key() string {
	digest := sha256.Sum256([]byte(strings.Join(t.recipe, "\x00")))
	return fmt.Sprintf("%x", digest[:6])
}

// once returns the directory that the thing has been made in, now or long ago.
// Older things of its name are removed: they are large, and nothing asks for them.
// The caller holds the lock.
func (c cache) once(ctx context.Context, t thing) (string, error) {
	final := filepath.Join(c.dir, t.name+"-"+t.key())
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	// With the lock held, these are from killed runs.
	for _, pattern := range []string{makingPrefix + "*", t.name + "-????????????"} {
		if err := c.remove(pattern); err != nil {
			return "", err
		}
	}
	work, err := os.MkdirTemp(c.dir, makingPrefix)
	if err != nil {
		return "", fmt.Errorf("make temporary directory: %w", err)
	}
	defer os.RemoveAll(work) // after the rename there is nothing left to remove
	err = c.progress.step(ctx, t.what, t.limit, func(ctx context.Context) error { return t.fill(ctx, work) })
	if err != nil {
		return "", err
	}
	if err := os.Rename(work, final); err != nil {
		return "", fmt.Errorf("complete %s: %w", t.name, err)
	}
	return final, nil
}

func (c cache) remove(pattern string) error {
	paths, err := filepath.Glob(filepath.Join(c.dir, pattern))
	if err != nil {
		return fmt.Errorf("list cache: %w", err)
	}
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("clean cache: %w", err)
		}
	}
	return nil
}
