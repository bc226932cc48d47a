// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/command"
)

// The container engines that kind knows and Debian has.
const (
	docker = "docker"
	podman = "podman"
)

// Limits for what an engine does.
const (
	askLimit    = 30 * time.Second // a question about what it has
	reachLimit  = time.Minute      // a question to a registry
	pullLimit   = 20 * time.Minute
	importLimit = 5 * time.Minute
)

// engine is what runs the node containers.
type engine struct {
	name string
	env  []string
}

// findEngine returns the wanted engine, or the first that works. Its settings are written to dir.
func findEngine(ctx context.Context, wanted, dir string) (engine, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var failures []error
	for _, name := range []string{docker, podman} {
		if wanted != "" && wanted != name {
			continue
		}
		e, err := prepareEngine(ctx, name, dir)
		if err == nil {
			return e, nil
		}
		failures = append(failures, err)
	}
	return engine{}, fmt.Errorf("no container engine works here. Start docker's daemon, or install podman and runc "+
		"(on Debian, run: apt-get install --no-install-recommends podman runc):\n%w", errors.Join(failures...))
}

// prepareEngine sets an engine up, and tries it.
func prepareEngine(ctx context.Context, name, dir string) (engine, error) {
	e := engine{name: name, env: []string{"KIND_EXPERIMENTAL_PROVIDER=" + name}}
	switch name {
	case podman:
		if err := command.Need(
			command.Program{Name: podman, Package: "podman"}, command.Program{Name: "runc", Package: "runc"},
		); err != nil {
			return engine{}, err
		}
		settings, err := writePodmanSettings(dir)
		if err != nil {
			return engine{}, err
		}
		e.env = append(e.env, "CONTAINERS_CONF="+settings)
	default:
		if err := command.Need(command.Program{Name: docker, Package: "docker.io"}); err != nil {
			return engine{}, err
		}
	}
	_, err := e.run(ctx, "info")
	return e, err
}

func (e engine) run(ctx context.Context, args ...string) (string, error) {
	return command.Setting{Env: e.env}.Run(ctx, e.name, args...)
}

// list returns the words that the engine answers with.
func (e engine) list(ctx context.Context, args ...string) ([]string, error) {
	output, err := e.run(ctx, args...)
	return strings.Fields(output), err
}

// has reports whether the engine has an image.
func (e engine) has(ctx context.Context, image string) bool {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	_, err := e.run(ctx, "image", "inspect", image)
	return err == nil
}

// reaches fails unless a registry has the image, by asking it.
func (e engine) reaches(ctx context.Context, image string) error {
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	_, err := e.run(ctx, "manifest", "inspect", image)
	return err
}
