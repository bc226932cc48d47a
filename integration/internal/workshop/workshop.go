// Package workshop makes large things once, like root file systems and kernels, and tells who waits for them how far it
// is. Programs that prepare machines and clusters for the integration tests share it.
package workshop

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Cache is a directory of things that are made once. What is in it is complete: a thing is made in a temporary
// directory and then renamed.
type Cache struct {
	Dir      string
	Progress Progress
}

// Prefixes of temporary directories.
const (
	RunPrefix    = "run-" // for what is needed during one run
	makingPrefix = "making-"
)

// Thing is something to be made once.
type Thing struct {
	Name   string
	What   string        // what making it is, for people
	Recipe []string      // all that its making depends on: another recipe, another thing
	Limit  time.Duration // that making it may take
	Fill   func(ctx context.Context, dir string) error
}

// Key tells things of one name apart.
func (t Thing) Key() string {
	digest := sha256.Sum256([]byte(strings.Join(t.Recipe, "\n")))
	return fmt.Sprintf("%x", digest[:6])
}

// Once returns the directory that the thing was made in, now or long ago.
func (c Cache) Once(ctx context.Context, t Thing) (string, error) {
	final := filepath.Join(c.Dir, t.Name+"-"+t.Key())
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	work, err := c.Temporary(makingPrefix)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work) // after the rename there is nothing left to remove
	fill := func(ctx context.Context) error { return t.Fill(ctx, work) }
	if err := c.Progress.Step(ctx, t.What, t.Limit, fill); err != nil {
		return "", err
	}
	// Another run may have been faster; its outcome is as good.
	if err := os.Rename(work, final); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("complete %s: %w", t.Name, err)
	}
	return final, nil
}

// Temporary makes a directory for work in progress on the cache's file system.
func (c Cache) Temporary(prefix string) (string, error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	dir, err := os.MkdirTemp(c.Dir, prefix)
	if err != nil {
		return "", fmt.Errorf("make temporary directory: %w", err)
	}
	return dir, nil
}

// Sweep removes the temporary directories that killed runs have left and that nothing has changed since.
func (c Cache) Sweep(since time.Time) error {
	for _, prefix := range []string{RunPrefix, makingPrefix} {
		dirs, err := filepath.Glob(filepath.Join(c.Dir, prefix+"*"))
		if err != nil {
			return fmt.Errorf("list cache: %w", err)
		}
		for _, dir := range dirs {
			info, err := os.Stat(dir)
			if err != nil || info.ModTime().After(since) {
				continue
			}
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("sweep cache: %w", err)
			}
		}
	}
	return nil
}
