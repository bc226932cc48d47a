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
func (m *Memory) List(ctx context.Context) (Inventory, error) {
	inv, err := m.source.List(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil && len(inv.Problems) == 0:
		m.learn(inv.Containers)
	case err == nil:
		m.recall(&inv)
	case len(m.known) > 0:
		inv = Inventory{
			Source: FromMemory, Address: inv.Address, Version: inv.Version,
			Problems: append(inv.Problems, err.Error()),
		}
		m.recall(&inv)
		err = nil
	}
	return inv, err
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

// recall adds the remembered containers that are not in an inventory, and tells who those
// are of which it has the task only.
func (m *Memory) recall(inv *Inventory) {
	missing := maps.Clone(m.known)
	for i := range inv.Containers {
		container := &inv.Containers[i]
		delete(missing, container.Key())
		if known, ok := m.known[container.Key()]; ok && container.Declared.By == ByUnknown {
			known.Status, known.PID = container.Status, container.PID
			*container = known
		}
	}
	for _, container := range missing {
		inv.Containers = append(inv.Containers, container)
	}
}
