package inventory

import (
	"context"
	"maps"
	"sync"
)

// memory is a source that remembers who the containers are. While containerd restarts, its
// containers run on; known by their cgroups only, all that they declared would look
// undeclared.
type Memory struct {
	source Source

	mu    sync.Mutex
	known map[Key]Container
}

func Remember(source Source) *Memory {
	return &Memory{source: source, known: make(map[Key]Container)}
}

// List is the source's list, completed by what is remembered where that list has holes.
func (m *Memory) List(ctx context.Context) (Inventory, []Container, error) {
	inv, containers, err := m.source.List(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil && len(inv.Problems) == 0:
		m.learn(containers)
	case err == nil:
		containers = m.recall(containers)
	case len(m.known) > 0:
		inv = Inventory{
			Source: FromMemory, Address: inv.Address, Version: inv.Version,
			Problems: append(inv.Problems, err.Error()),
		}
		containers = m.recall(containers)
		err = nil
	}
	return inv, containers, err
}

// Get asks the source.
func (m *Memory) Get(ctx context.Context, key Key) (Container, error) {
	container, err := m.source.Get(ctx, key)
	if err == nil && container.Declared.By != ByUnknown {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.known[key] = container
	}
	return container, err
}

// learn forgets the containers that are gone.
func (m *Memory) learn(containers []Container) {
	clear(m.known)
	for i := range containers {
		m.known[containers[i].Key()] = containers[i]
	}
}

// recall completes a list: it adds the remembered containers that are missing, and names
// those that have only a task in it.
func (m *Memory) recall(containers []Container) []Container {
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
