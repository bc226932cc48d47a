// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/buildcache"
	"github.com/nsaudit/nsaudit/integration/internal/command"
)

// cluster is the cluster of a name, whether it runs or not.
type cluster struct {
	name   string
	store  buildcache.Cache
	dir    string // of what belongs to the running cluster
	state  state  // empty unless it came up
	engine engine
}

func openCluster(ctx context.Context, store buildcache.Cache, opts options) (*cluster, error) {
	c := &cluster{name: opts.name, store: store, dir: filepath.Join(store.Dir, "cluster-"+opts.name)}
	var err error
	if c.state, err = readState(c.dir); err != nil {
		return nil, err
	}
	wanted := opts.engine
	if c.state.Engine != "" {
		wanted = c.state.Engine
	}
	if opts.engine != "" && opts.engine != wanted {
		return nil, fmt.Errorf("cluster %s runs in %s; remove it before it can run in %s", c.name, wanted, opts.engine)
	}
	if c.engine, err = findEngine(ctx, wanted, c.dir); err != nil {
		return nil, err
	}
	// A network of its own goes when the cluster goes.
	c.engine.env = append(c.engine.env,
		"KIND_EXPERIMENTAL_"+strings.ToUpper(c.engine.name)+"_NETWORK="+c.name, "KUBECONFIG="+c.path(kubeconfigFile))
	return c, nil
}

// do does what the command line asks for.
func (c *cluster) do(ctx context.Context, opts options) error {
	switch opts.command {
	case "up":
		return c.up(ctx, opts.node)
	case "down":
		return c.remove(ctx)
	case "purge":
		return c.purge(ctx)
	}
	if !c.exists() {
		return fmt.Errorf("there is no cluster %s; to bring it up, run: make cluster", c.name)
	}
	if opts.command == "load" {
		return c.load(ctx, opts.args)
	}
	return c.status(ctx)
}

func (c *cluster) exists() bool { return c.state.Image != "" }

func (c *cluster) path(file string) string { return filepath.Join(c.dir, file) }

func (c *cluster) controlPlane() string { return c.name + "-control-plane" }

// nodes are the names that kind gives to the nodes and to their containers.
func (c *cluster) nodes() []string { return []string{c.controlPlane(), c.name + "-worker"} }

// kubectl runs kubectl, which finds no kubeconfig but the cluster's.
func (c *cluster) kubectl(ctx context.Context, args ...string) (string, error) {
	return command.Setting{Env: c.engine.env}.Run(ctx, c.path(kubectlFile), args...)
}

// kind runs kind, which finds neither another kubeconfig nor another engine.
func (c *cluster) kind(ctx context.Context, args ...string) (string, error) {
	tools, err := buildTools(ctx, c.store)
	if err != nil {
		return "", err
	}
	return command.Setting{Env: c.engine.env}.Run(ctx, filepath.Join(tools, "kind"), args...)
}

// up brings the cluster up, unless it is up.
func (c *cluster) up(ctx context.Context, source string) error {
	start := time.Now()
	images, err := findNodeImages(ctx)
	if err != nil {
		return err
	}
	if c.exists() {
		if !images.offer(c.state.Image, source) {
			c.store.Progress.Logf("cluster %s is of another node image: making it anew", c.name)
		} else if err := c.check(ctx); err != nil {
			c.store.Progress.Logf("cluster %s is not well, so it is made anew: %v", c.name, err)
		} else {
			c.store.Progress.Logf("cluster %s is up already", c.name)
			return c.status(ctx)
		}
	}
	if err := c.removeNodes(ctx); err != nil {
		return err
	}
	image, err := c.nodeImage(ctx, images, source)
	if err != nil {
		return err
	}
	if err := c.create(ctx, image, image == images.built); err != nil {
		return c.explain(ctx, err)
	}
	c.store.Progress.Logf("cluster %s is up after %s", c.name, buildcache.Elapsed(start))
	return c.status(ctx)
}

// check fails if a node is not running or not ready. The API server notices only after a minute that a node has died.
func (c *cluster) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	for _, node := range c.state.Nodes {
		running, err := c.engine.run(ctx, "inspect", "--format", "{{.State.Running}}", node)
		if err != nil {
			return err
		}
		if strings.TrimSpace(running) != "true" {
			return fmt.Errorf("container %s does not run", node)
		}
	}
	_, err := c.kubectl(ctx, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=10s", "--request-timeout=10s")
	return err
}

// status prints what there is of the cluster, and how to reach it.
func (c *cluster) status(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	nodes, err := c.kubectl(ctx, "get", "nodes", "--output=wide", "--request-timeout=10s")
	if err != nil {
		return err
	}
	c.store.Progress.Logf("in %s, of %s:\n%s", c.engine.name, c.state.Image, strings.TrimRight(nodes, "\n"))
	c.store.Progress.Logf("to use it, run:\n  export KUBECONFIG=%s\n  %s get pods --all-namespaces",
		c.path(kubeconfigFile), c.path(kubectlFile))
	return nil
}

// linkKubectl puts kubectl next to the kubeconfig.
func (c *cluster) linkKubectl(ctx context.Context) error {
	tools, err := buildTools(ctx, c.store)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(c.path(kubectlFile)); err != nil {
		return fmt.Errorf("link kubectl: %w", err)
	}
	if err := os.Symlink(filepath.Join(tools, "kubectl"), c.path(kubectlFile)); err != nil {
		return fmt.Errorf("link kubectl: %w", err)
	}
	return nil
}
