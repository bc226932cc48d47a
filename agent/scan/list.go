// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// errNoSource is the answer to a targeted scan without a container runtime.
var errNoSource = errors.New("there is no containerd to ask")

// list asks the source. Without an answer the containers are known by their cgroups.
func (s *Scanner) list(ctx context.Context) (inventory.Inventory, []inventory.Container) {
	if s.config.Source == nil {
		return inventory.Inventory{Source: inventory.FromCgroups}, nil
	}
	inv, containers, err := s.config.Source.List(ctx)
	if err != nil {
		inv.Source = inventory.FromCgroups
		inv.Problems = append(inv.Problems, err.Error())
	}
	return inv, containers
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
