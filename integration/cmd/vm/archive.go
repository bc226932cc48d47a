// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/integration/internal/apt"
	"github.com/nsaudit/nsaudit/integration/internal/command"
)

// debianKeyring verifies all suites, also those that this machine's apt does not
// know. On a Debian machine without it apt's own trusted keys have to do.
const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// archive is one suite of Debian's archive, seen through an apt that has its own
// lists and its own state but shares the machine's settings (proxy, TLS).
type archive struct {
	source string // line for sources.list
	apt    []string
}

// openArchive finds the suite on the mirrors that this machine's apt uses. The
// private apt lives in dir.
func openArchive(ctx context.Context, dir, suite string) (archive, error) {
	mirrors, err := apt.Mirrors(ctx)
	if err != nil {
		return archive{}, err
	}
	var failures []error
	for _, mirror := range mirrors {
		a := newArchive(dir, mirror, suite)
		if err := a.update(ctx, dir); err != nil {
			failures = append(failures, err)
			continue
		}
		return a, nil
	}
	return archive{}, fmt.Errorf("no mirror of this machine's apt serves suite %s: %w", suite, errors.Join(failures...))
}

func newArchive(dir, mirror, suite string) archive {
	options := ""
	if _, err := os.Stat(debianKeyring); err == nil {
		options = "[signed-by=" + debianKeyring + "] "
	}
	settings := []string{
		"Dir::Etc::sourcelist=" + filepath.Join(dir, "sources.list"),
		"Dir::Etc::sourceparts=/dev/null",
		"Dir::State=" + dir,
		"Dir::State::lists=" + filepath.Join(dir, "lists"),
		// No installed packages: this apt only looks things up and downloads.
		"Dir::State::status=" + filepath.Join(dir, "status"),
		"Dir::Cache=" + filepath.Join(dir, "cache"),
		"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"Acquire::Languages=none",
		"APT::Architecture=amd64",
		"APT::Architectures=amd64",
		"APT::Sandbox::User=root", // apt's own user may not enter dir
		// One missing file must fail the update, not leave an empty list.
		"APT::Update::Error-Mode=any",
	}
	a := archive{source: fmt.Sprintf("deb %s%s %s main", options, mirror, suite)}
	for _, setting := range settings {
		a.apt = append(a.apt, "-o", setting)
	}
	return a
}

func (a archive) update(ctx context.Context, dir string) error {
	for _, sub := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return fmt.Errorf("make private apt: %w", err)
		}
	}
	for name, content := range map[string]string{"sources.list": a.source + "\n", "status": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("make private apt: %w", err)
		}
	}
	_, err := command.Run(ctx, "apt-get", append(slices.Clone(a.apt), "update")...)
	return err
}

// depends lists the packages that a package depends on.
func (a archive) depends(ctx context.Context, name string) ([]string, error) {
	output, err := command.Run(ctx, "apt-cache", append(slices.Clone(a.apt), "depends", name)...)
	if err != nil {
		return nil, err
	}
	return parseDepends(output), nil
}

func parseDepends(output string) []string {
	var names []string
	for line := range strings.Lines(output) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "Depends: "); found {
			names = append(names, name)
		}
	}
	return names
}

// unpack downloads packages and unpacks their files, all into dir.
func (a archive) unpack(ctx context.Context, dir string, names ...string) error {
	downloads, err := os.MkdirTemp(dir, "deb-")
	if err != nil {
		return fmt.Errorf("make download directory: %w", err)
	}
	defer os.RemoveAll(downloads)
	args := append(append(slices.Clone(a.apt), "download"), names...)
	download := command.Setting{Dir: downloads}
	if _, err := download.Run(ctx, "apt-get", args...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(downloads, "*.deb"))
	if err != nil {
		return fmt.Errorf("list downloads: %w", err)
	}
	for _, deb := range debs {
		if _, err := command.Run(ctx, "dpkg-deb", "-x", deb, dir); err != nil {
			return err
		}
	}
	return nil
}
