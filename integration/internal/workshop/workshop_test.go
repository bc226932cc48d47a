package workshop

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

func thing(fill func(context.Context, string) error, recipe ...string) Thing {
	return Thing{Name: "thing", What: "making a thing", Recipe: recipe, Limit: time.Minute, Fill: fill}
}

func TestOnceMakesOnce(t *testing.T) {
	store, made := testCache(t), 0
	fill := func(_ context.Context, dir string) error {
		made++
		return os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	}
	first, err := store.Once(t.Context(), thing(fill, "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := store.Once(t.Context(), thing(fill, "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	if made != 1 || again != first {
		t.Errorf("made %d times, in %s and %s; want once, in one place", made, first, again)
	}
	other, err := store.Once(t.Context(), thing(fill, "a", "c"))
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
	_, err := store.Once(t.Context(), thing(func(_ context.Context, dir string) error {
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

func TestOnceMadeByAnotherRunMeanwhile(t *testing.T) {
	store := testCache(t)
	fill := func(_ context.Context, dir string) error {
		return os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	}
	dir, err := store.Once(t.Context(), thing(func(ctx context.Context, dir string) error {
		if _, err := store.Once(ctx, thing(fill)); err != nil {
			return err
		}
		return fill(ctx, dir)
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
		since time.Time
		left  int
	}{{time.Now().Add(-time.Hour), 4}, {time.Now().Add(time.Hour), 2}} {
		if err := store.Sweep(step.since); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(store.Dir)
		if err != nil || len(entries) != step.left {
			t.Errorf("left %v (%v), want %d", entries, err, step.left)
		}
	}
}
