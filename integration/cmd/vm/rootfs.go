// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/buildcache"
	"github.com/nsaudit/nsaudit/integration/internal/command"
)

// rootSuite is the Debian release of the user space. It is the same under every
// kernel, so that a difference between two runs is a difference of the kernels.
const rootSuite = "bookworm"

// rootSpace is how much the tests can write to the root disk, in bytes. The
// image is sparse: it takes no room until written, and then only in a snapshot.
const rootSpace = 4 << 30

const rootImage = "root.ext4"

// makeLimit is for what comes from a slow mirror.
const makeLimit = 30 * time.Minute

// rootPackages is what containerd, runc and the CNI plugins need around them.
// There is no udev: no test needs its links, and it costs seconds at boot.
func rootPackages() []string {
	return []string{
		"apparmor", // the parser with which containerd loads its default profile
		"ca-certificates",
		"dbus", // for runc's systemd cgroup driver
		"iproute2",
		"iptables",
		"kmod",
		"libseccomp2",
		"mount",
		"nftables",
		"procps",
		"runc",
		"systemd",
		"systemd-sysv",
		"util-linux",
	}
}

// buildRootfs returns the image of the root disk.
func buildRootfs(ctx context.Context, store buildcache.Cache) (string, error) {
	recipe := append([]string{rootSuite, strconv.Itoa(rootSpace)}, rootPackages()...)
	dir, err := store.Get(ctx, buildcache.Artifact{
		Name: "rootfs-" + rootSuite, What: "making the root file system, once",
		Recipe: recipe, Limit: makeLimit, Build: makeRootfs,
	})
	if err != nil {
		return "", fmt.Errorf("make root file system: %w", err)
	}
	return filepath.Join(dir, rootImage), nil
}

func makeRootfs(ctx context.Context, dir string) error {
	aptDir, tree := filepath.Join(dir, "apt"), filepath.Join(dir, "tree")
	defer os.RemoveAll(aptDir)
	defer os.RemoveAll(tree)
	source, err := openArchive(ctx, aptDir, rootSuite)
	if err != nil {
		return err
	}
	if _, err := command.Run(ctx, "mmdebstrap",
		"--mode=root", "--variant=minbase", "--architectures=amd64",
		"--include="+strings.Join(rootPackages(), ","),
		rootSuite, tree, source.source,
	); err != nil {
		return err
	}
	return makeImage(ctx, tree, filepath.Join(dir, rootImage), rootSpace)
}

// makeImage writes the tree into an ext4 image with that many bytes to spare.
func makeImage(ctx context.Context, tree, image string, spare int64) error {
	used, err := diskUsage(tree)
	if err != nil {
		return err
	}
	// A quarter on top, and something for small trees, for ext4's own tables.
	size := used + used/4 + spare + 16<<20
	_, err = command.Run(ctx, "mkfs.ext4", "-q", "-F",
		"-O", "^has_journal", // nothing to recover: the disk is thrown away
		"-m", "0", "-d", tree, image, strconv.FormatInt(size>>10, 10)+"k")
	return err
}

// diskUsage adds up the sizes of a tree's files, in whole blocks.
func diskUsage(tree string) (int64, error) {
	const block = 4096
	var total int64
	err := filepath.WalkDir(tree, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		total += block
		if info.Mode().IsRegular() {
			total += (info.Size() + block - 1) / block * block
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("measure %s: %w", tree, err)
	}
	return total, nil
}
