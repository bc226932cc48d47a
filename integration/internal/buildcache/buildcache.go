// SPDX-License-Identifier: Apache-2.0

// Package buildcache builds large artifacts once, such as root file systems and kernels, and reports progress. The
// commands that prepare machines and clusters for the integration tests share it.
package buildcache

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

// Cache is a directory of artifacts. What is in it is complete: an artifact is built in a temporary directory, which is
// then renamed.
type Cache struct {
	Dir      string
	Progress Progress
}

// Prefixes of temporary directories.
const (
	RunPrefix      = "run-" // for what is needed during one run
	buildingPrefix = "making-"
)

// Artifact is a directory of files that takes long to build.
type Artifact struct {
	Name   string
	What   string        // the step that builds it, as shown to people
	Recipe []string      // everything that its content depends on; another recipe is another artifact
	Limit  time.Duration // for building it
	Build  func(ctx context.Context, dir string) error
}

// Key identifies the recipe among those of artifacts of one name.
func (a Artifact) Key() string {
	digest := sha256.Sum256([]byte(strings.Join(a.Recipe, "\n")))
	return fmt.Sprintf("%x", digest[:6])
}

// Get returns the directory of the artifact, which it builds unless it is cached.
func (c Cache) Get(ctx context.Context, a Artifact) (string, error) {
	final := filepath.Join(c.Dir, a.Name+"-"+a.Key())
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	work, err := c.Temporary(buildingPrefix)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work) // after the rename there is nothing left to remove
	build := func(ctx context.Context) error { return a.Build(ctx, work) }
	if err := c.Progress.Step(ctx, a.What, a.Limit, build); err != nil {
		return "", err
	}
	// Another run may have been faster; its result is the same.
	if err := os.Rename(work, final); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("complete %s: %w", a.Name, err)
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

// Sweep removes the temporary directories of killed runs that were last changed before a time.
func (c Cache) Sweep(before time.Time) error {
	for _, prefix := range []string{RunPrefix, buildingPrefix} {
		dirs, err := filepath.Glob(filepath.Join(c.Dir, prefix+"*"))
		if err != nil {
			return fmt.Errorf("list cache: %w", err)
		}
		for _, dir := range dirs {
			info, err := os.Stat(dir)
			if err != nil || info.ModTime().After(before) {
				continue
			}
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("sweep cache: %w", err)
			}
		}
	}
	return nil
}
