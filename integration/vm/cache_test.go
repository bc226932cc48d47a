package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func testCache(t *testing.T) cache {
	t.Helper()
	return cache{dir: filepath.Join(t.TempDir(), "vm"), log: new(bytes.Buffer)}
}

func TestOnceMakesOnce(t *testing.T) {
	store, made := testCache(t), 0
	fill := func(_ context.Context, dir string) error {
		made++
		return os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	}
	first, err := store.once(t.Context(), "thing", []string{"a", "b"}, fill)
	if err != nil {
		t.Fatal(err)
	}
	again, err := store.once(t.Context(), "thing", []string{"a", "b"}, fill)
	if err != nil {
		t.Fatal(err)
	}
	if made != 1 || again != first {
		t.Errorf("made %d times, in %s and %s; want once, in one place", made, first, again)
	}
	other, err := store.once(t.Context(), "thing", []string{"a", "c"}, fill)
	if err != nil {
		t.Fatal(err)
	}
	if made != 2 || other == first {
		t.Errorf("another recipe: made %d times, in %s", made, other)
	}
	if _, err := os.Stat(filepath.Join(first, "file")); err != nil {
		t.Error(err)
	}
}

// A failure must leave nothing that a later run could take for complete.
func TestOnceLeavesNoHalfMadeThing(t *testing.T) {
	store, failure := testCache(t), errors.New("no space")
	_, err := store.once(t.Context(), "thing", nil, func(_ context.Context, dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "file"), nil, 0o644), failure)
	})
	if !errors.Is(err, failure) {
		t.Errorf("error = %v, want %v", err, failure)
	}
	entries, err := os.ReadDir(store.dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left %v (%v)", entries, err)
	}
}

func TestOnceMadeByAnotherRunMeanwhile(t *testing.T) {
	store := testCache(t)
	fill := func(_ context.Context, dir string) error {
		return os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	}
	dir, err := store.once(t.Context(), "thing", nil, func(ctx context.Context, dir string) error {
		if _, err := store.once(ctx, "thing", nil, fill); err != nil {
			return err
		}
		return fill(ctx, dir)
	})
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
		if err := os.MkdirAll(filepath.Join(store.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		now  time.Time
		left int
	}{{time.Now(), 4}, {time.Now().Add(2 * staleAfter), 2}} {
		if err := store.sweep(step.now); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(store.dir)
		if err != nil || len(entries) != step.left {
			t.Errorf("left %v (%v), want %d", entries, err, step.left)
		}
	}
}
