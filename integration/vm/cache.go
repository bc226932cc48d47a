package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// cache is a directory of things that are made once. What is in it is complete:
// a thing is made in a temporary directory and then renamed.
type cache struct {
	dir string
	log io.Writer
}

// Prefixes of temporary directories. What was kept on request stays.
const (
	runPrefix    = "run-"
	makingPrefix = "making-"
	keptPrefix   = "kept-"
)

// staleAfter is the age at which nothing can still be using a temporary
// directory: whoever made it was killed and could not remove it.
const staleAfter = 24 * time.Hour

// temporary makes a directory for work in progress on the cache's file system.
func (c cache) temporary(prefix string) (string, error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	dir, err := os.MkdirTemp(c.dir, prefix)
	if err != nil {
		return "", fmt.Errorf("make temporary directory: %w", err)
	}
	return dir, nil
}

// sweep removes the temporary directories that killed runs have left.
func (c cache) sweep(now time.Time) error {
	for _, prefix := range []string{runPrefix, makingPrefix} {
		dirs, err := filepath.Glob(filepath.Join(c.dir, prefix+"*"))
		if err != nil {
			return fmt.Errorf("list cache: %w", err)
		}
		for _, dir := range dirs {
			info, err := os.Stat(dir)
			if err != nil || now.Sub(info.ModTime()) < staleAfter {
				continue
			}
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("sweep cache: %w", err)
			}
		}
	}
	return nil
}

// once returns the directory that fill has filled, now or long ago. The recipe is
// everything that fill's outcome depends on: another recipe, another directory.
func (c cache) once(
	ctx context.Context, name string, recipe []string, fill func(ctx context.Context, dir string) error,
) (string, error) {
	digest := sha256.Sum256([]byte(strings.Join(recipe, "\n")))
	final := filepath.Join(c.dir, fmt.Sprintf("%s-%x", name, digest[:6]))
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	start := time.Now()
	fmt.Fprintf(c.log, "vm: making %s, once\n", name)
	work, err := c.temporary(makingPrefix)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work) // after the rename there is nothing left to remove
	if err := fill(ctx, work); err != nil {
		return "", err
	}
	// Another run may have been faster; its outcome is as good.
	if err := os.Rename(work, final); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("complete %s: %w", name, err)
	}
	fmt.Fprintf(c.log, "vm: made %s in %.0fs\n", name, time.Since(start).Seconds())
	return final, nil
}
