// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/nsaudit/nsaudit/integration/internal/command"
	"github.com/nsaudit/nsaudit/integration/internal/imagearchive"
)

// assemble fills the tree.
func (n *node) assemble(ctx context.Context) error {
	if err := os.Mkdir(n.tree, 0o755); err != nil {
		return fmt.Errorf("make node: %w", err)
	}
	debian := filepath.Join(n.debian, rootTar)
	if _, err := command.Run(ctx, "tar", "-C", n.tree, "--numeric-owner", "-xf", debian); err != nil {
		return err
	}
	// The entrypoint, the units and the helpers are kind's own. In the Go module cache they are read-only.
	kind, err := moduleDir(ctx, kindModule, "sigs.k8s.io/kind")
	if err != nil {
		return err
	}
	files := filepath.Join(kind, "images/base/files") + "/."
	if _, err := command.Run(ctx, "cp", "-r", "--no-preserve=mode,ownership", files, n.tree); err != nil {
		return err
	}
	if err := n.configure(ctx); err != nil {
		return err
	}
	if err := n.addPrograms(ctx); err != nil {
		return err
	}
	return n.addImages(ctx)
}

// configure writes what differs from kind's settings, and has only those services started that a node needs.
func (n *node) configure(ctx context.Context) error {
	setup := filepath.Join(n.work, "setup.sh")
	for _, f := range []struct {
		source, target string
		mode           fs.FileMode
	}{
		{"setup.sh", setup, 0o755},
		{"containerd.toml", filepath.Join(n.tree, "etc/containerd/config.toml"), 0o644},
		{"cni.conflist.template", filepath.Join(n.tree, "etc/containerd/cni.conflist.template"), 0o644},
		{"images.conf", filepath.Join(n.tree, "etc/systemd/system/containerd.service.d/images.conf"), 0o644},
		{"import-images.sh", filepath.Join(n.tree, "kind/bin/import-images.sh"), 0o755},
	} {
		if err := n.writeFile("files/"+f.source, f.target, f.mode); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(n.tree, "kind/version"), []byte(n.version), 0o644); err != nil {
		return fmt.Errorf("make node: %w", err)
	}
	_, err := command.Run(ctx, setup, n.tree)
	return err
}

func (n *node) writeFile(source, target string, mode fs.FileMode) error {
	content, err := nodeSources.ReadFile(source)
	if err != nil {
		return fmt.Errorf("make node: %w", err)
	}
	pause, err := imageNamed(n.images, "pause")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return fmt.Errorf("make node: %w", err)
	}
	if err := os.WriteFile(target, []byte(strings.ReplaceAll(string(content), "@PAUSE@", pause)), mode); err != nil {
		return fmt.Errorf("make node: %w", err)
	}
	return nil
}

// addPrograms copies what runs on the node itself to where kind's units expect it.
func (n *node) addPrograms(ctx context.Context) error {
	for _, c := range []struct{ from, to string }{
		{filepath.Join(n.kubernetes, "kubeadm"), "usr/bin/"},
		{filepath.Join(n.kubernetes, "kubelet"), "usr/bin/"},
		{filepath.Join(n.kubernetes, "kubectl"), "usr/bin/"},
		{filepath.Join(n.containerd, "containerd"), "usr/local/bin/"},
		{filepath.Join(n.containerd, "containerd-shim-runc-v2"), "usr/local/bin/"},
		{filepath.Join(n.containerd, "ctr"), "usr/local/bin/"},
		{filepath.Join(n.runc, "runc"), "usr/local/sbin/"},
		{filepath.Join(n.containerd, "cni") + "/.", "opt/cni/bin/"},
	} {
		if _, err := command.Run(ctx, "cp", "-r", c.from, filepath.Join(n.tree, c.to)); err != nil {
			return err
		}
	}
	return nil
}

// addImages adds the images of the pods that kubeadm starts, under the names that it looks for.
func (n *node) addImages(ctx context.Context) error {
	if err := buildOwn(ctx, n.work, "./integration/cmd/kind/pause"); err != nil {
		return err
	}
	proxyLayers := []string{filepath.Join(n.debian, proxyTar)}
	for _, i := range []struct {
		name, program, folder string
		layers                []string
	}{
		{"pause", filepath.Join(n.work, "pause"), "every", nil},
		{"kube-proxy", filepath.Join(n.kubernetes, "kube-proxy"), "every", proxyLayers},
		{"etcd", filepath.Join(n.kubernetes, "server"), "control-plane", nil},
		{"kube-apiserver", filepath.Join(n.kubernetes, "kube-apiserver"), "control-plane", nil},
		{"kube-controller-manager", filepath.Join(n.kubernetes, "kube-controller-manager"), "control-plane", nil},
		{"kube-scheduler", filepath.Join(n.kubernetes, "kube-scheduler"), "control-plane", nil},
	} {
		name, err := imageNamed(n.images, i.name)
		if err != nil {
			return err
		}
		folder := filepath.Join(n.tree, "kind/images", i.folder)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("make node: %w", err)
		}
		program := "/usr/local/bin/" + i.name
		config := ocispec.ImageConfig{Entrypoint: []string{program}, Env: []string{defaultPath}}
		if err := writeImage(filepath.Join(folder, i.name+".tar"), name, config, i.layers,
			imagearchive.Program(program, i.program)); err != nil {
			return err
		}
	}
	return nil
}

// imageNamed returns the full name of the image that has the short one.
func imageNamed(images []string, short string) (string, error) {
	for _, name := range images {
		if repository, _, _ := strings.Cut(path.Base(name), ":"); repository == short {
			return name, nil
		}
	}
	return "", fmt.Errorf("kubeadm names no image %s, but %s", short, strings.Join(images, ", "))
}
