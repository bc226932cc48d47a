// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/apt"
	"github.com/nsaudit/nsaudit/integration/internal/buildcache"
	"github.com/nsaudit/nsaudit/integration/internal/command"
)

// debianSuite is the last Debian release whose systemd runs where cgroup v1 is.
const debianSuite = "bookworm"

const debianLimit = 15 * time.Minute

// What is made of Debian's packages.
const (
	rootTar  = "root.tar"
	proxyTar = "kube-proxy.tar"
)

// Variants of mmdebstrap.
const (
	minbase = "minbase" // a system that can be started
	extract = "extract" // the packages' files and nothing else
)

// nodeDebs is what kind's own image has of Debian's packages, less what only volumes need.
func nodeDebs() []string {
	return []string{
		"bash", "ca-certificates", "conntrack", "ethtool", "iproute2", "iptables", "kmod", "mount",
		"nftables", "procps", "socat", "systemd", "systemd-sysv", "util-linux",
	}
}

// proxyDebs is what kube-proxy runs; its image has nothing else of Debian.
//
// netbase has /etc/protocols, without which nft prints a protocol as a number. kube-proxy reads the map of Services by
// "nft --json list map" before each full sync, which it makes every hour. It would take the element "10.96.0.1 . 6 . 443"
// for another one than its own "10.96.0.1 . tcp . 443", and delete it at the end of the same transaction, which leaves
// every Service without its address until the next full sync.
func proxyDebs() []string { return []string{"nftables", "netbase"} }

func debianRecipe() []string {
	return append(append([]string{debianSuite}, nodeDebs()...), proxyDebs()...)
}

// buildDebian returns the directory of what comes from Debian's packages.
func buildDebian(ctx context.Context, store buildcache.Cache) (string, error) {
	return store.Get(ctx, buildcache.Artifact{
		Name: "debian", What: "making the node's root file system from Debian's packages",
		Recipe: debianRecipe(),
		Limit:  debianLimit,
		Build: func(ctx context.Context, dir string) error {
			if err := debootstrap(ctx, extract, proxyDebs(), filepath.Join(dir, proxyTar)); err != nil {
				return err
			}
			return debootstrap(ctx, minbase, nodeDebs(), filepath.Join(dir, rootTar))
		},
	})
}

// debootstrap unpacks packages, and what they depend on, into a directory or a tar. It takes the first of the machine's
// mirrors that serves the suite.
func debootstrap(ctx context.Context, variant string, packages []string, target string) error {
	if err := command.Need(
		command.Program{Name: "mmdebstrap", Package: "mmdebstrap"},
		command.Program{Name: "apt-get", Package: "apt"},
	); err != nil {
		return err
	}
	mirrors, err := apt.Mirrors(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, mirror := range mirrors {
		_, err := command.Run(ctx, "mmdebstrap",
			"--mode=root", "--variant="+variant, "--include="+strings.Join(packages, ","),
			"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
			"--dpkgopt=path-exclude=/usr/share/locale/*",
			debianSuite, target, "deb "+mirror+" "+debianSuite+" main")
		if err == nil {
			return nil
		}
		failures = append(failures, err)
	}
	return fmt.Errorf("no mirror of this machine's apt serves %s: %w", debianSuite, errors.Join(failures...))
}
