// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/buildcache"
	"github.com/nsaudit/nsaudit/integration/internal/command"
)

// What is in the node beside programs and Debian's packages, and how it all gets there.
//
//go:embed assemble.go build.go debian.go node.go files pause
var nodeSources embed.FS

//go:embed images.go standins.go kubia
var standInSources embed.FS

const (
	nodeRepository = "localhost/nsaudit-kind-node"
	assembleLimit  = 10 * time.Minute
	defaultPath    = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// builtImage is the name of the node image that would be made now. The tag tells what it is made of.
func builtImage(ctx context.Context) (string, error) {
	recipe := append(debianRecipe(), contents(nodeSources)...)
	for _, module := range []string{kindModule, containerdModule, runcModule} {
		of, err := goRecipe(ctx, module)
		if err != nil {
			return "", err
		}
		recipe = append(recipe, of...)
	}
	return nodeRepository + ":" + buildcache.Artifact{Recipe: recipe}.Key(), nil
}

// contents returns the name and the content of every embedded file, all of which can be read.
func contents(files embed.FS) []string {
	var all []string
	_ = fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			content, _ := files.ReadFile(name)
			all = append(all, name, string(content))
		}
		return nil
	})
	return all
}

// node is a node image in the making.
type node struct {
	work, tree                           string
	containerd, runc, debian, kubernetes string // directories of what it is made of
	version                              string // of Kubernetes
	images                               []string
}

// buildNode makes the node image and gives it to the engine.
func buildNode(ctx context.Context, store buildcache.Cache, e engine, name string) error {
	work, err := store.Temporary(buildcache.RunPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	n := node{work: work, tree: filepath.Join(work, "tree")}
	if err := n.gather(ctx, store); err != nil {
		return err
	}
	if err := store.Progress.Step(ctx, "assembling the node image", assembleLimit, n.assemble); err != nil {
		return err
	}
	return store.Progress.Step(ctx, "giving the node image to "+e.name, importLimit, func(ctx context.Context) error {
		return n.giveTo(ctx, e, name)
	})
}

// gather makes what the node is made of, unless it is there.
func (n *node) gather(ctx context.Context, store buildcache.Cache) error {
	for _, part := range []struct {
		dir   *string
		build func(context.Context, buildcache.Cache) (string, error)
	}{
		{&n.containerd, buildContainerd}, {&n.runc, buildRunc}, {&n.debian, buildDebian}, {&n.kubernetes, buildKubernetes},
	} {
		var err error
		if *part.dir, err = part.build(ctx, store); err != nil {
			return err
		}
	}
	var err error
	if n.version, err = kubernetesVersion(ctx); err != nil {
		return err
	}
	names, err := command.Run(ctx, filepath.Join(n.kubernetes, "kubeadm"),
		"config", "images", "list", "--kubernetes-version", n.version)
	n.images = strings.Fields(names)
	return err
}

// giveTo gives the tree to the engine, as an image that starts as kind's own does.
func (n *node) giveTo(ctx context.Context, e engine, name string) error {
	tarball := filepath.Join(n.work, "node.tar")
	// What is in /dev while packages are unpacked is made anew in the container.
	_, err := command.Run(ctx, "tar", "-C", n.tree, "--numeric-owner", "--exclude=./dev/*", "-cf", tarball, ".")
	if err != nil {
		return err
	}
	_, err = e.run(ctx, "import",
		"--change", "ENV container=docker", // which systemd knows for a container; podman tells it by itself
		"--change", "STOPSIGNAL SIGRTMIN+3",
		"--change", `ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]`,
		tarball, name)
	return err
}
