package scan

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// errNoSource is the answer to a targeted scan without a containerd.
var errNoSource = errors.New("there is no containerd to ask")

// ScanContainers looks at single containers: the processes of the node are listed and
// attributed, but only those of these containers are read. A container that is gone, or
// has no process, is not in the snapshot. The error is also for a containerd that can't
// say who a container is; the snapshot is then nil.
func (s *Scanner) Containers(ctx context.Context, keys []inventory.Key) (*snapshot.Snapshot, error) {
	containers, err := s.get(ctx, keys)
	if err != nil {
		return nil, err
	}
	return s.take(ctx, true, func(context.Context) (inventory.Inventory, []inventory.Container) {
		return inventory.Inventory{Source: inventory.FromContainerd}, containers
	})
}

// get asks the source for single containers.
func (s *Scanner) get(ctx context.Context, keys []inventory.Key) ([]inventory.Container, error) {
	if s.config.Source == nil {
		return nil, errNoSource
	}
	var containers []inventory.Container
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(askAtOnce)
	for _, key := range keys {
		group.Go(func() error {
			container, err := s.config.Source.Get(ctx, key)
			if errors.Is(err, inventory.ErrNotFound) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("ask containerd about container %s of %s: %w", key.ID, key.RuntimeNamespace, err)
			}
			mu.Lock()
			defer mu.Unlock()
			containers = append(containers, container)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return containers, nil
}
