package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// removeNodes removes all that a cluster that runs, or once ran, or never quite
// came up, consists of. It asks the engine and not kind, which forgets the
// volumes of nodes that were never made.
func (c *cluster) removeNodes(ctx context.Context) error {
	nodes, err := c.listed(ctx, "ps", "--all", "--filter", "label="+clusterLabel+"="+c.name, "--format", "{{.Names}}")
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
	networks, err := c.listed(ctx, "network", "ls", "--filter", "name=^"+c.name+"$", "--format", "{{.Name}}")
	if err != nil {
		return err
	}
	if len(networks) > 0 {
		if _, err := c.engine.run(ctx, "network", "rm", c.name); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(c.imageFile()); err != nil {
		return fmt.Errorf("remove state of the cluster: %w", err)
	}
	if err := os.RemoveAll(c.kubeconfig()); err != nil {
		return fmt.Errorf("remove kubeconfig: %w", err)
	}
	return nil
}

// removeVolumes removes podman's volumes of the nodes, which kind labels with the
// node's name. Docker's go with their containers.
func (c *cluster) removeVolumes(ctx context.Context) error {
	for _, node := range []string{c.name + "-control-plane", c.name + "-worker"} {
		volumes, err := c.listed(ctx, "volume", "ls", "--quiet", "--filter", "label="+node)
		if err != nil {
			return err
		}
		if len(volumes) > 0 {
			if _, err := c.engine.run(ctx, append([]string{"volume", "rm", "--force"}, volumes...)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// listed returns the words that the engine answers with.
func (c *cluster) listed(ctx context.Context, args ...string) ([]string, error) {
	output, err := c.engine.run(ctx, args...)
	if err != nil {
		return nil, err
	}
	return strings.Fields(output), nil
}

func isNotEmpty(err error) bool {
	return errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) || errors.Is(err, syscall.EBUSY)
}
