// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// clusterLabel is what kind labels its containers with.
const clusterLabel = "io.x-k8s.kind.cluster"

const removeLimit = 5 * time.Minute

// remove removes the cluster. What it was made of stays, for the next one.
func (c *cluster) remove(ctx context.Context) error {
	return c.store.Progress.Step(ctx, "removing cluster "+c.name, removeLimit, func(ctx context.Context) error {
		if err := c.removeNodes(ctx); err != nil {
			return err
		}
		if err := os.RemoveAll(c.dir); err != nil {
			return fmt.Errorf("remove state of the cluster: %w", err)
		}
		return removeModulesDir()
	})
}

// purge removes the cluster and all that was made for it, but for what was pulled from a registry.
func (c *cluster) purge(ctx context.Context) error {
	if err := c.remove(ctx); err != nil {
		return err
	}
	if err := c.removeBuiltImages(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(c.store.Dir); err != nil {
		return fmt.Errorf("remove what was made for the cluster: %w", err)
	}
	return nil
}

// removeNodes removes all that a cluster consists of that runs, or once ran, or never quite came up. It asks the engine and
// not kind, which forgets the volumes of nodes that were never made.
func (c *cluster) removeNodes(ctx context.Context) error {
	c.state = state{}
	for _, file := range []string{stateFile, kubeconfigFile, kubectlFile} {
		if err := os.RemoveAll(c.path(file)); err != nil {
			return fmt.Errorf("remove state of the cluster: %w", err)
		}
	}
	nodes, err := c.engine.list(ctx, "ps", "--all", "--filter", "label="+clusterLabel+"="+c.name, "--format", "{{.Names}}")
	if err != nil {
		return err
	}
	if len(nodes) > 0 {
		if _, err := c.engine.run(ctx, append([]string{"rm", "--force", "--volumes"}, nodes...)...); err != nil {
			return err
		}
	}
	if err := c.removeVolumes(ctx); err != nil {
		return err
	}
	networks, err := c.engine.list(ctx, "network", "ls", "--filter", "name=^"+c.name+"$", "--format", "{{.Name}}")
	if err != nil || len(networks) == 0 {
		return err
	}
	_, err = c.engine.run(ctx, "network", "rm", c.name)
	return err
}

// removeVolumes removes podman's volumes of the nodes, which kind labels with the node's name. Docker's go with their
// containers.
func (c *cluster) removeVolumes(ctx context.Context) error {
	for _, node := range c.nodes() {
		volumes, err := c.engine.list(ctx, "volume", "ls", "--quiet", "--filter", "label="+node)
		if err != nil {
			return err
		}
		if len(volumes) == 0 {
			continue
		}
		if _, err := c.engine.run(ctx, append([]string{"volume", "rm", "--force"}, volumes...)...); err != nil {
			return err
		}
	}
	return nil
}

// removeBuiltImages removes the node images that were made here, but for those that another cluster runs.
func (c *cluster) removeBuiltImages(ctx context.Context) error {
	images, err := c.engine.list(ctx,
		"image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference="+nodeRepository)
	if err != nil {
		return err
	}
	for _, image := range images {
		users, err := c.engine.list(ctx, "ps", "--all", "--quiet", "--filter", "ancestor="+image)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			continue
		}
		if _, err := c.engine.run(ctx, "image", "rm", image); err != nil {
			return err
		}
	}
	return nil
}

// removeModulesDir removes the mount point of kind's nodes if it is empty, as on this program's machines only.
func removeModulesDir() error {
	err := os.Remove(modulesDir)
	for _, harmless := range []error{nil, fs.ErrNotExist, syscall.ENOTEMPTY, syscall.EEXIST, syscall.EBUSY} {
		if errors.Is(err, harmless) {
			return nil
		}
	}
	return fmt.Errorf("remove what kind mounted into nodes: %w", err)
}
