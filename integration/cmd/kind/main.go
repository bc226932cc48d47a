// SPDX-License-Identifier: Apache-2.0

// Command kind runs a real Kubernetes cluster in containers: one control plane and one worker. Where a container engine
// can reach a registry, kind's own node image is pulled; where none can, a node image is made of Debian packages and Go
// modules, which takes a quarter of an hour once.
//
//	go run ./integration/cmd/kind -cache DIR up                bring the cluster up, or find it up
//	go run ./integration/cmd/kind -cache DIR status            show its nodes
//	go run ./integration/cmd/kind -cache DIR load FILE...      give image archives to every node
//	go run ./integration/cmd/kind -cache DIR down              remove the cluster, and keep what it was made of
//	go run ./integration/cmd/kind -cache DIR purge             remove that as well
//	go run ./integration/cmd/kind image NAME PROGRAM FILE      write an image archive of nsaudit, as the Dockerfile does
//
// It is to be run from the root of the repository. Once the cluster is up, DIR/kind/cluster-nsaudit has what scripts need:
// its kubeconfig, a kubectl of its version, and cluster.json with the container engine and the names of the nodes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/buildcache"
	"github.com/nsaudit/nsaudit/integration/internal/cli"
	"github.com/nsaudit/nsaudit/integration/internal/command"
)

func main() { os.Exit(cli.Main("kind", run)) }

// Where the node image comes from.
const (
	nodeAuto  = "auto"  // from a registry, if one can be reached
	nodeStock = "stock" // kind's own, from a registry
	nodeBuilt = "built" // made here
)

// options is the command line.
type options struct {
	cache   string
	name    string
	node    string
	engine  string
	command string
	args    []string
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("kind", flag.ContinueOnError)
	flags.StringVar(&o.cache, "cache", "", "directory for built artifacts, and for the cluster's kubeconfig")
	flags.StringVar(&o.name, "name", "nsaudit", "name of the cluster")
	flags.StringVar(&o.node, "node", nodeAuto, "node image: stock (kind's, from a registry), built (made here) or auto")
	flags.StringVar(&o.engine, "engine", "", "container engine, docker or podman; by default the first that works")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	o.command, o.args = flags.Arg(0), flags.Args()[min(1, flags.NArg()):]
	if err := errors.Join(o.checkFlags(), o.checkArguments()); err != nil {
		return options{}, err
	}
	if o.cache != "" { // filepath.Abs would make it the working directory
		var err error
		if o.cache, err = filepath.Abs(o.cache); err != nil {
			return options{}, fmt.Errorf("resolve -cache: %w", err)
		}
	}
	return o, nil
}

func (o options) checkFlags() error {
	if o.cache == "" && o.command != "image" {
		return errors.New("-cache is needed")
	}
	if !slices.Contains([]string{nodeAuto, nodeStock, nodeBuilt}, o.node) {
		return fmt.Errorf("-node is %q; want auto, stock or built", o.node)
	}
	if !slices.Contains([]string{"", docker, podman}, o.engine) {
		return fmt.Errorf("-engine is %q; want docker or podman", o.engine)
	}
	return nil
}

func (o options) checkArguments() error {
	switch o.command {
	case "up", "status", "down", "purge":
		if len(o.args) > 0 {
			return fmt.Errorf("%s takes no arguments", o.command)
		}
	case "load":
		if len(o.args) == 0 {
			return errors.New("load takes at least one image archive")
		}
	case "image":
		if len(o.args) != 3 {
			return errors.New("image takes three arguments: the image's name, nsaudit's binary, and the archive to write")
		}
	default:
		return errors.New("no command; want up, status, load FILE..., down, purge or image NAME PROGRAM FILE")
	}
	return nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	opts, err := parseOptions(args)
	if err != nil {
		return err
	}
	if opts.command == "image" {
		return writeNsaudit(opts.args[0], opts.args[1], opts.args[2])
	}
	if os.Geteuid() != 0 {
		return errors.New("must be run by root: the nodes are privileged containers that mount and make cgroups")
	}
	if err := command.CompletePath(); err != nil {
		return err
	}
	store := buildcache.Cache{
		Dir:      filepath.Join(opts.cache, "kind"),
		Progress: buildcache.Progress{Program: "kind", Out: out},
	}
	release, err := lock(ctx, store)
	if err != nil {
		return err
	}
	defer release()
	// With the lock held, no other run is using what is swept.
	if err := store.Sweep(time.Now()); err != nil {
		return err
	}
	c, err := openCluster(ctx, store, opts)
	if err != nil {
		return err
	}
	return c.do(ctx, opts)
}
