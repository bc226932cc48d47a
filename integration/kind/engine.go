package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
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
	name string // docker or podman
	env  []string
}

// findEngine returns the wanted engine, or the first that works. Its settings
// are written to dir.
func findEngine(ctx context.Context, wanted, dir string) (engine, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var failures []error
	for _, e := range []engine{{name: "docker"}, {name: "podman"}} {
		if wanted != "" && wanted != e.name {
			continue
		}
		err := e.prepare(ctx, dir)
		if err == nil {
			return e, nil
		}
		failures = append(failures, err)
	}
	return engine{}, fmt.Errorf("no container engine works here. Install Debian's packages podman and runc "+
		"(apt-get install --no-install-recommends podman runc), or start docker's daemon:\n%w", errors.Join(failures...))
}

// prepare sets the engine up, and tries it.
func (e *engine) prepare(ctx context.Context, dir string) error {
	if e.name == "podman" {
		if err := need("podman", "podman"); err != nil {
			return err
		}
		if err := need("runc", "runc"); err != nil {
			return err
		}
		settings := filepath.Join(dir, "containers.conf")
		if err := writePodmanSettings(settings); err != nil {
			return err
		}
		e.env = append(e.env, "CONTAINERS_CONF="+settings)
	} else if err := need("docker", "docker.io"); err != nil {
		return err
	}
	e.env = append(e.env, "KIND_EXPERIMENTAL_PROVIDER="+e.name)
	_, err := e.run(ctx, "info")
	return err
}

// writePodmanSettings writes what podman needs in place of the machine's own
// settings: runc, for crun refuses a mix of cgroup v1 and v2, and limits no higher
// than what this process may give without CAP_SYS_RESOURCE.
func writePodmanSettings(path string) error {
	const (
		usual = 1 << 20 // podman's own default
		// Enough for a node. podman refuses more without CAP_SYS_RESOURCE, also below the hard limit.
		processes     = 10000
		rlimitNproc   = 6
		rlimitNofile  = syscall.RLIMIT_NOFILE
		settingsShape = `# Written by integration/kind.
[containers]
default_ulimits = ["nofile=%[1]d:%[1]d", "nproc=%[2]d:%[2]d"]

[engine]
runtime = "runc"
`
	)
	limits := make([]any, 0, 2)
	for _, want := range []struct {
		resource int
		most     uint64
	}{{rlimitNofile, usual}, {rlimitNproc, processes}} {
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(want.resource, &limit); err != nil {
			return fmt.Errorf("read own limits: %w", err)
		}
		limits = append(limits, min(limit.Max, want.most))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write podman's settings: %w", err)
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, settingsShape, limits...), 0o644); err != nil {
		return fmt.Errorf("write podman's settings: %w", err)
	}
	return nil
}

func (e *engine) run(ctx context.Context, args ...string) (string, error) {
	return execute(ctx, e.env, e.name, args...)
}

// has says whether the engine has an image.
func (e *engine) has(ctx context.Context, image string) bool {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	_, err := e.run(ctx, "image", "inspect", image)
	return err == nil
}

// reaches says whether a registry has the image, by asking it.
func (e *engine) reaches(ctx context.Context, image string) error {
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	_, err := e.run(ctx, "manifest", "inspect", image)
	return err
}

// images lists the engine's images of a repository, as NAME:TAG.
func (e *engine) images(ctx context.Context, repository string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	output, err := e.run(ctx, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference="+repository)
	if err != nil {
		return nil, err
	}
	return strings.Fields(output), nil
}
