// SPDX-License-Identifier: Apache-2.0

package buildcache

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func testCache(t *testing.T) Cache {
	t.Helper()
	return Cache{Dir: filepath.Join(t.TempDir(), "cache"), Progress: Progress{Out: new(bytes.Buffer)}}
}

func artifact(build func(context.Context, string) error, recipe ...string) Artifact {
	return Artifact{Name: "artifact", What: "building an artifact", Recipe: recipe, Limit: time.Minute, Build: build}
}

func TestGetBuildsOnce(t *testing.T) {
	store, built := testCache(t), 0
	build := func(_ context.Context, dir string) error {
		built++
		return os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	}
	first, err := store.Get(t.Context(), artifact(build, "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := store.Get(t.Context(), artifact(build, "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	if built != 1 || again != first {
		t.Errorf("built %d times, in %s and %s; want once, in one place", built, first, again)
	}
	other, err := store.Get(t.Context(), artifact(build, "a", "c"))
	if err != nil {
		t.Fatal(err)
	}
	if built != 2 || other == first {
		t.Errorf("another recipe: built %d times, in %s", built, other)
	}
	if _, err := os.Stat(filepath.Join(first, "file")); err != nil {
		t.Error(err)
	}
}

// A failure must leave nothing that a later run could take for complete.
func TestGetLeavesNothingAfterAFailure(t *testing.T) {
	store, failure := testCache(t), errors.New("no space")
	_, err := store.Get(t.Context(), artifact(func(_ context.Context, dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "file"), nil, 0o644), failure)
	}))
	if !errors.Is(err, failure) {
		t.Errorf("error = %v, want %v", err, failure)
	}
	entries, err := os.ReadDir(store.Dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left %v (%v)", entries, err)
	}
}

func TestGetWhileAnotherRunBuilds(t *testing.T) {
	store := testCache(t)
	build := func(_ context.Context, dir string) error {
		return os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	}
	dir, err := store.Get(t.Context(), artifact(func(ctx context.Context, dir string) error {
		if _, err := store.Get(ctx, artifact(build)); err != nil {
			return err
		}
		return build(ctx, dir)
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
		t.Error(err)
	}
}

func TestSweepRemovesOnlyStaleTemporaries(t *testing.T) {
	store := testCache(t)
	for _, name := range []string{"run-1", "making-1", "kept-1", "rootfs-bookworm-1"} {
		if err := os.MkdirAll(filepath.Join(store.Dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		before time.Time
		left   int
	}{{time.Now().Add(-time.Hour), 4}, {time.Now().Add(time.Hour), 2}} {
		if err := store.Sweep(step.before); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(store.Dir)
		if err != nil || len(entries) != step.left {
			t.Errorf("left %v (%v), want %d", entries, err, step.left)
		}
	}
}
