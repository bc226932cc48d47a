// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nsaudit/nsaudit/integration/internal/buildcache"
	"github.com/nsaudit/nsaudit/integration/internal/command"
	"github.com/nsaudit/nsaudit/integration/internal/vmwire"
)

// kernelPackage depends on the newest kernel of its suite. Debian's "cloud"
// flavour differs from the stock one only in having fewer drivers.
const kernelPackage = "linux-image-cloud-amd64"

// Files of a kernel in the cache.
const (
	kernelImage   = "vmlinuz"
	kernelRelease = "release"
	modulesImage  = "modules.ext4"
)

// kernel is one of Debian's kernels, ready to boot.
type kernel struct {
	suite   string
	release string
	dir     string // with vmlinuz, modules.ext4 and the early modules
}

// bootModules are the drivers without which the guest can neither find its root
// nor talk to the host. Some kernels have some of them built in.
func bootModules() []string {
	return []string{"virtio_pci", "virtio_blk", "virtio_console", "ext4", "virtio_rng"}
}

// buildKernel returns the kernel of a suite, as new as the archive had it when
// it was first asked for.
func buildKernel(ctx context.Context, store buildcache.Cache, suite string) (kernel, error) {
	if suite == "" || strings.ContainsAny(suite, "/ -") {
		return kernel{}, fmt.Errorf("%q is not the name of a Debian suite", suite)
	}
	recipe := append([]string{suite, kernelPackage}, bootModules()...)
	dir, err := store.Get(ctx, buildcache.Artifact{
		Name: "kernel-" + suite, What: "making the kernel of " + suite + ", once",
		Recipe: recipe, Limit: makeLimit,
		Build: func(ctx context.Context, dir string) error { return makeKernel(ctx, dir, suite) },
	})
	if err != nil {
		return kernel{}, err
	}
	release, err := os.ReadFile(filepath.Join(dir, kernelRelease))
	if err != nil {
		return kernel{}, fmt.Errorf("read kernel release: %w", err)
	}
	return kernel{suite: suite, release: string(release), dir: dir}, nil
}

func makeKernel(ctx context.Context, dir, suite string) error {
	aptDir, tree := filepath.Join(dir, "apt"), filepath.Join(dir, "tree")
	defer os.RemoveAll(aptDir)
	defer os.RemoveAll(tree)
	if err := os.Mkdir(tree, 0o755); err != nil {
		return fmt.Errorf("make kernel tree: %w", err)
	}
	if err := unpackKernel(ctx, aptDir, tree, suite); err != nil {
		return err
	}
	release, err := findKernel(tree)
	if err != nil {
		return err
	}
	// Debian's package leaves this to its post-installation script.
	if _, err := command.Run(ctx, "depmod", "-b", tree, release); err != nil {
		return err
	}
	if err := copyEarlyModules(filepath.Join(tree, "lib/modules", release), filepath.Join(dir, vmwire.EarlyModules)); err != nil {
		return err
	}
	if err := makeImage(ctx, filepath.Join(tree, "lib/modules"), filepath.Join(dir, modulesImage), 0); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(tree, "boot/vmlinuz-"+release), filepath.Join(dir, kernelImage)); err != nil {
		return fmt.Errorf("keep kernel image: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, kernelRelease), []byte(release), 0o644); err != nil {
		return fmt.Errorf("keep kernel release: %w", err)
	}
	return nil
}

// unpackKernel unpacks the package that kernelPackage stands for, and the one
// with its modules where a suite has split that off.
func unpackKernel(ctx context.Context, aptDir, tree, suite string) error {
	source, err := openArchive(ctx, aptDir, suite)
	if err != nil {
		return err
	}
	image, err := dependency(ctx, source, kernelPackage, "linux-image-")
	if err != nil {
		return err
	}
	if image == "" {
		return fmt.Errorf("%s depends on no kernel in suite %s", kernelPackage, suite)
	}
	packages := []string{image}
	modules, err := dependency(ctx, source, image, "linux-modules-")
	if err != nil {
		return err
	}
	if modules != "" {
		packages = append(packages, modules)
	}
	return source.unpack(ctx, tree, packages...)
}

// dependency returns the first dependency of a package whose name has the
// prefix, or "".
func dependency(ctx context.Context, source archive, name, prefix string) (string, error) {
	names, err := source.depends(ctx, name)
	if err != nil {
		return "", err
	}
	for _, candidate := range names {
		if strings.HasPrefix(candidate, prefix) {
			return candidate, nil
		}
	}
	return "", nil
}

// findKernel returns the release of the one kernel in the tree, and moves its
// modules from /usr/lib, where newer packages have them, to /lib for depmod.
func findKernel(tree string) (string, error) {
	usrLib := filepath.Join(tree, "usr/lib/modules")
	if _, err := os.Stat(usrLib); err == nil {
		if err := os.MkdirAll(filepath.Join(tree, "lib"), 0o755); err != nil {
			return "", fmt.Errorf("make /lib: %w", err)
		}
		if err := os.Rename(usrLib, filepath.Join(tree, "lib/modules")); err != nil {
			return "", fmt.Errorf("move modules: %w", err)
		}
	}
	images, err := filepath.Glob(filepath.Join(tree, "boot/vmlinuz-*"))
	if err != nil {
		return "", fmt.Errorf("find kernel image: %w", err)
	}
	if len(images) != 1 {
		return "", errors.New("the kernel package does not have exactly one /boot/vmlinuz-*")
	}
	return strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-"), nil
}
