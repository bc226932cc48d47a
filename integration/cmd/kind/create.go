// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	createLimit = 15 * time.Minute // of which kind itself takes one
	readyLimit  = 5 * time.Minute
)

// modulesDir is mounted into every node; machines with a kernel that has no modules may lack it.
const modulesDir = "/lib/modules"

// create makes the nodes, and waits until the pods of the tests can run on them.
func (c *cluster) create(ctx context.Context, image string, built bool) error {
	if err := os.MkdirAll(modulesDir, 0o755); err != nil {
		return fmt.Errorf("make what kind mounts into nodes: %w", err)
	}
	if err := c.linkKubectl(ctx); err != nil {
		return err
	}
	standIns, err := buildStandIns(ctx, c.store)
	if err != nil {
		return err
	}
	config, err := writeConfig(c.dir, built)
	if err != nil {
		return err
	}
	what := "creating cluster " + c.name + " of " + image
	if err := c.store.Progress.Step(ctx, what, createLimit, func(ctx context.Context) error {
		return c.makeNodes(ctx, image, config)
	}); err != nil {
		return err
	}
	if err := c.store.Progress.Step(ctx, "waiting for nodes and pods", readyLimit, func(ctx context.Context) error {
		return c.settle(ctx, built)
	}); err != nil {
		return err
	}
	if err := c.load(ctx, standIns); err != nil {
		return err
	}
	// Last: a cluster without it is not taken for a whole one.
	c.state = state{Engine: c.engine.name, Image: image, Nodes: c.nodes()}
	return c.state.write(c.dir)
}

func (c *cluster) makeNodes(ctx context.Context, image, config string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		_, err := c.kind(ctx, "create", "cluster", "--name", c.name, "--config", config, "--image", image,
			"--kubeconfig", c.path(kubeconfigFile), "--retain")
		return err
	})
	group.Go(func() error { return c.introduceNodes(ctx) })
	return group.Wait()
}

// settle waits until the cluster can run pods.
func (c *cluster) settle(ctx context.Context, built bool) error {
	if _, err := c.kubectl(ctx, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=4m"); err != nil {
		return err
	}
	if built {
		if err := c.connectNodes(ctx); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"--for=condition=Ready", "pods", "--all", "--namespace=kube-system", "--timeout=4m"},
		{"--for=create", "serviceaccount/default", "--namespace=default", "--timeout=1m"},
	} {
		if _, err := c.kubectl(ctx, append([]string{"wait"}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// explain adds to an error what the nodes say, and removes them.
func (c *cluster) explain(ctx context.Context, err error) error {
	// An interrupted run is to clean up, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeLimit)
	defer cancel()
	logs := filepath.Join(c.store.Dir, "logs-"+c.name)
	_ = os.RemoveAll(logs) // kind overwrites what is left
	if _, logErr := c.kind(ctx, "export", "logs", "--name", c.name, logs); logErr == nil {
		err = fmt.Errorf("%w\nthe nodes' logs are in %s", err, logs)
	}
	return errors.Join(err, c.removeNodes(ctx))
}
