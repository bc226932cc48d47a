// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"errors"
	"maps"
	"sync"
)

// Memory is a source that remembers who the containers are. While containerd restarts, its
// containers run on; known by their cgroups only, all that they declared would look
// undeclared.
type Memory struct {
	source Source

	mu    sync.Mutex
	known map[Key]Container
}

// Remember returns a source that answers from memory what the source can't.
func Remember(source Source) *Memory {
	return &Memory{source: source, known: make(map[Key]Container)}
}

// List is the source's list, completed from memory where that list is incomplete.
func (m *Memory) List(ctx context.Context) (Inventory, []Container, error) {
	inv, containers, err := m.source.List(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil && len(inv.Problems) == 0:
		m.replace(containers)
	case err == nil:
		containers = m.complete(containers)
	case len(m.known) > 0:
		inv = Inventory{
			Source: FromMemory, Address: inv.Address, Version: inv.Version,
			Problems: append(inv.Problems, err.Error()),
		}
		containers = m.complete(containers)
		err = nil
	}
	return inv, containers, err
}

// Get asks the source. A container that has no processes any more is forgotten: no event says
// when its record goes.
func (m *Memory) Get(ctx context.Context, key Key) (Container, error) {
	container, err := m.source.Get(ctx, key)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil && (container.Status == Stopped || container.Status == NoTask), errors.Is(err, ErrNotFound):
		delete(m.known, key)
	case err == nil && container.Declared.By != ByUnknown:
		m.known[key] = container
	}
	return container, err
}

// replace makes a list what is remembered: the other containers are gone.
func (m *Memory) replace(containers []Container) {
	clear(m.known)
	for i := range containers {
		m.known[containers[i].Key()] = containers[i]
	}
}

// complete adds the remembered containers that are missing in a list, and names those that
// have only a task in it.
func (m *Memory) complete(containers []Container) []Container {
	missing := maps.Clone(m.known)
	for i := range containers {
		container := &containers[i]
		delete(missing, container.Key())
		if known, ok := m.known[container.Key()]; ok && container.Declared.By == ByUnknown {
			known.Status, known.PID = container.Status, container.PID
			*container = known
		}
	}
	for _, container := range missing {
		containers = append(containers, container)
	}
	return containers
}
