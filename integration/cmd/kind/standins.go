// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/nsaudit/nsaudit/integration/internal/buildcache"
	"github.com/nsaudit/nsaudit/integration/internal/command"
	"github.com/nsaudit/nsaudit/integration/internal/imagearchive"
)

// The stand-ins have the names of the images that Kubernetes in Action uses in its chapter on the node's namespaces.
// They are loaded in every cluster, also where the real ones could be pulled, so that tests meet the same programs.
const (
	alpineName    = "docker.io/library/alpine:latest"
	alpineArchive = "alpine.tar"
	kubiaName     = "docker.io/luksa/kubia:latest"
	kubiaArchive  = "kubia.tar"

	busyboxPackage = "busybox-static"
	busyboxPath    = "/bin/busybox"
	kubiaPath      = "/kubia"
	standInsLimit  = 10 * time.Minute
)

// buildStandIns returns the archives.
func buildStandIns(ctx context.Context, store buildcache.Cache) ([]string, error) {
	compiler, err := goVersion(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := store.Get(ctx, buildcache.Artifact{
		Name: "stand-ins", What: "making stand-ins for the images of alpine and kubia",
		Recipe: append([]string{debianSuite, busyboxPackage, compiler}, contents(standInSources)...),
		Limit:  standInsLimit,
		Build:  makeStandIns,
	})
	return []string{filepath.Join(dir, alpineArchive), filepath.Join(dir, kubiaArchive)}, err
}

func makeStandIns(ctx context.Context, dir string) error {
	work := filepath.Join(dir, "work")
	defer os.RemoveAll(work)
	if err := os.Mkdir(work, 0o755); err != nil {
		return fmt.Errorf("make directory for programs: %w", err)
	}
	tree := filepath.Join(work, "busybox")
	if err := debootstrap(ctx, extract, []string{busyboxPackage}, tree); err != nil {
		return err
	}
	if err := writeAlpine(ctx, filepath.Join(tree, busyboxPath), filepath.Join(dir, alpineArchive)); err != nil {
		return err
	}
	if err := buildOwn(ctx, work, "./integration/cmd/kind/kubia"); err != nil {
		return err
	}
	config := ocispec.ImageConfig{Entrypoint: []string{kubiaPath}}
	return writeImage(filepath.Join(dir, kubiaArchive), kubiaName, config, nil,
		imagearchive.Program(kubiaPath, filepath.Join(work, "kubia")))
}

// writeAlpine writes an image of busybox, which is most of what is in alpine.
func writeAlpine(ctx context.Context, busybox, archive string) error {
	list, err := command.Run(ctx, busybox, "--list-full")
	if err != nil {
		return err
	}
	config := ocispec.ImageConfig{Cmd: []string{"/bin/sh"}, Env: []string{defaultPath}}
	return writeImage(archive, alpineName, config, nil, alpineEntries(busybox, list)...)
}

// alpineEntries returns busybox, a link to it from each of the paths that it lists, and the little else that programs
// expect of a root file system.
func alpineEntries(busybox, list string) []imagearchive.Entry {
	entries := []imagearchive.Entry{
		imagearchive.Directory("/tmp", 0o1777),
		{Header: tar.Header{Name: "etc/passwd", Mode: 0o644}, Content: []byte("root:x:0:0:root:/root:/bin/sh\n")},
		{Header: tar.Header{Name: "etc/group", Mode: 0o644}, Content: []byte("root:x:0:\n")},
		imagearchive.Program(busyboxPath, busybox),
	}
	for path := range strings.FieldsSeq(list) {
		if path = "/" + path; path != busyboxPath {
			entries = append(entries, imagearchive.Symlink(path, busyboxPath))
		}
	}
	return entries
}

// buildOwn builds a program of this repository into a directory.
func buildOwn(ctx context.Context, dir, pkg string) error {
	static := command.Setting{Env: []string{"CGO_ENABLED=0"}}
	_, err := static.Run(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", dir+"/", pkg)
	if err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	return nil
}
