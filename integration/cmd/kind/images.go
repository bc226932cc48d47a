// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/nsaudit/nsaudit/integration/internal/imagearchive"
)

const loadLimit = 10 * time.Minute

// load gives image archives to every node.
func (c *cluster) load(ctx context.Context, archives []string) error {
	for _, archive := range archives {
		if _, err := os.Stat(archive); err != nil {
			return fmt.Errorf("load archive: %w", err)
		}
		if err := c.store.Progress.Step(ctx, "loading "+archive, loadLimit, func(ctx context.Context) error {
			_, err := c.kind(ctx, "load", "image-archive", "--name", c.name, archive)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// nsauditPath is where the Dockerfile puts the binary.
const nsauditPath = "/nsaudit"

func nsauditConfig() ocispec.ImageConfig {
	return ocispec.ImageConfig{User: "0", Entrypoint: []string{nsauditPath}}
}

// writeNsaudit writes an archive of what the Dockerfile describes, labels aside. It needs no container engine.
func writeNsaudit(name, binary, archive string) error {
	// A short name is what people write, and the full one is what the kubelet looks for.
	full, err := reference.ParseDockerRef(name)
	if err != nil {
		return fmt.Errorf("parse image name %q: %w", name, err)
	}
	return writeImage(archive, full.String(), nsauditConfig(), nil, imagearchive.Program(nsauditPath, binary))
}

// writeImage writes an archive of an image, of entries above the layers.
func writeImage(
	archive, name string, config ocispec.ImageConfig, layers []string, entries ...imagearchive.Entry,
) error {
	top := archive + ".layer"
	defer os.Remove(top)
	if err := writeLayer(top, entries...); err != nil {
		return err
	}
	layers = append(slices.Clone(layers), top)
	return writeArchive(archive, imagearchive.Image{Name: name, Config: config, Layers: layers})
}

func writeLayer(file string, entries ...imagearchive.Entry) error {
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("make layer: %w", err)
	}
	return errors.Join(imagearchive.WriteLayer(out, entries...), out.Close())
}

func writeArchive(file string, image imagearchive.Image) error {
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("make image archive: %w", err)
	}
	return errors.Join(imagearchive.Write(out, image), out.Close())
}
