// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scripted is a source that answers what it was last given.
type scripted struct {
	inventory  Inventory
	containers []Container
	err        error
}

func (s *scripted) List(context.Context) (Inventory, []Container, error) {
	return s.inventory, slices.Clone(s.containers), s.err
}

func (s *scripted) Get(_ context.Context, key Key) (Container, error) {
	if s.err != nil {
		return Container{}, s.err
	}
	i := slices.IndexFunc(s.containers, func(c Container) bool { return c.Key() == key })
	if i < 0 {
		return Container{}, fmt.Errorf("get %s: %w", key.ID, ErrNotFound)
	}
	return s.containers[i], nil
}

func named(id string, pid int) Container {
	return Container{ID: id, Name: id, PID: pid, Status: Running, Declared: Declaration{By: BySpec}}
}

func bare(id string, pid int) Container {
	return Container{ID: id, PID: pid, Status: Unknown, Declared: NoDeclaration("its record could not be read")}
}

func TestRemember(t *testing.T) {
	t.Parallel()
	down := errors.New("connection refused")
	whole, partial := Inventory{Source: FromContainerd}, Inventory{Source: FromContainerd, Problems: []string{"no records"}}
	tests := map[string]struct {
		now        scripted
		source     string
		containers []string
		err        error
	}{
		"all is well": {scripted{inventory: whole, containers: []Container{named("a", 3)}}, FromContainerd, []string{"a running 3 spec"}, nil},
		"a record is not read": {
			scripted{inventory: partial, containers: []Container{bare("a", 3), named("b", 2)}},
			FromContainerd,
			[]string{"a unknown 3 spec", "b running 2 spec"},
			nil,
		},
		"one is not listed": {scripted{inventory: partial, containers: []Container{named("b", 2)}}, FromContainerd, []string{"a running 1 spec", "b running 2 spec"}, nil},
		"one is new":        {scripted{inventory: partial, containers: []Container{bare("c", 3)}}, FromContainerd, []string{"a running 1 spec", "b running 2 spec", "c unknown 3 unknown"}, nil},
		"it is down":        {scripted{err: down}, FromMemory, []string{"a running 1 spec", "b running 2 spec"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := &scripted{inventory: whole, containers: []Container{named("a", 1), named("b", 2)}}
			memory := Remember(source)
			_, _, err := memory.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			*source = test.now
			inv, containers, err := memory.List(t.Context())
			if inv.Source != test.source || !errors.Is(err, test.err) {
				t.Errorf("from %s, error %v", inv.Source, err)
			}
			if diff := cmp.Diff(test.containers, lines(containers)); diff != "" {
				t.Errorf("containers (-want +got):\n%s", diff)
			}
		})
	}
}

func lines(containers []Container) []string {
	var all []string
	for _, c := range containers {
		all = append(all, fmt.Sprintf("%s %s %d %s", c.ID, c.Status, c.PID, c.Declared.By))
	}
	slices.Sort(all)
	return all
}

func TestRememberNothing(t *testing.T) {
	t.Parallel()
	down := errors.New("connection refused")
	memory := Remember(&scripted{err: down})
	if _, containers, err := memory.List(t.Context()); !errors.Is(err, down) || len(containers) > 0 {
		t.Errorf("containers %v, error %v", containers, err)
	}
}

// TestMemoryForgets has a list that stays incomplete while containers come and go: those that
// are gone must not stay for ever.
func TestMemoryForgets(t *testing.T) {
	t.Parallel()
	source := &scripted{inventory: Inventory{Problems: []string{"one record is too large"}}}
	memory := Remember(source)
	for i := range 10 {
		container := named(fmt.Sprint(i), i)
		source.containers = []Container{container}
		if _, err := memory.Get(t.Context(), container.Key()); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 { // Its record stays for a while after its task.
			container.Status = Stopped
			source.containers = []Container{container}
			if _, err := memory.Get(t.Context(), container.Key()); err != nil {
				t.Fatal(err)
			}
		}
		source.containers = nil
		if i%2 == 0 {
			continue // No event says when the record goes.
		}
		if _, err := memory.Get(t.Context(), container.Key()); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
	}
	if _, containers, _ := memory.List(t.Context()); len(containers) > 0 {
		t.Errorf("still known: %q", lines(containers))
	}
}
