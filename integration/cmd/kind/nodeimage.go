// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/nsaudit/nsaudit/integration/internal/command"
)

// nodeImages are the names of the images that nodes can be made of.
type nodeImages struct {
	stock string // kind's own, NAME:TAG@DIGEST
	built string // the one that would be made now
}

func findNodeImages(ctx context.Context) (nodeImages, error) {
	stock, err := stockImage(ctx)
	if err != nil {
		return nodeImages{}, err
	}
	built, err := builtImage(ctx)
	return nodeImages{stock: stock, built: built}, err
}

// offer reports whether nodes would be made of the image now.
func (i nodeImages) offer(image, source string) bool {
	return (image == i.stock && source != nodeBuilt) || (image == i.built && source != nodeStock)
}

// nodeImage decides on a node image, and sees to it that the engine has it.
func (c *cluster) nodeImage(ctx context.Context, images nodeImages, source string) (string, error) {
	if source != nodeBuilt {
		err := c.pullStock(ctx, images.stock)
		if err == nil {
			return images.stock, nil
		}
		if source == nodeStock {
			return "", err
		}
		c.store.Progress.Logf("%s reaches no registry, so the nodes are of an image that is made here (%s)",
			c.engine.name, command.LastLines(err.Error(), 1))
	}
	if c.engine.has(ctx, images.built) {
		c.store.Progress.Logf("node image %s is there", images.built)
		return images.built, nil
	}
	if err := c.removeBuiltImages(ctx); err != nil {
		return "", err
	}
	return images.built, buildNode(ctx, c.store, c.engine, images.built)
}

// pullStock gets kind's own node image. A registry that does not answer a question within a minute would not deliver a
// large image either.
func (c *cluster) pullStock(ctx context.Context, stock string) error {
	pullable, plain := pullNames(stock)
	if c.engine.has(ctx, pullable) {
		c.store.Progress.Logf("kind's node image %s is there", stock)
		return nil
	}
	if err := c.engine.reaches(ctx, plain); err != nil {
		return err
	}
	return c.store.Progress.Step(ctx, "pulling kind's node image "+plain, pullLimit, func(ctx context.Context) error {
		_, err := c.engine.run(ctx, "pull", pullable)
		return err
	})
}

// pullNames splits NAME:TAG@DIGEST: podman takes a tag or a digest, not both.
func pullNames(image string) (pullable, plain string) {
	plain, digest, _ := strings.Cut("docker.io/"+image, "@")
	if digest == "" {
		return plain, plain
	}
	return plain[:strings.LastIndex(plain, ":")] + "@" + digest, plain
}

// stockImage returns the node image that kind itself would take.
func stockImage(ctx context.Context) (string, error) {
	dir, err := moduleDir(ctx, kindModule, "sigs.k8s.io/kind")
	if err != nil {
		return "", err
	}
	source, err := os.ReadFile(filepath.Join(dir, "pkg/apis/config/defaults/image.go"))
	if err != nil {
		return "", fmt.Errorf("find kind's node image: %w", err)
	}
	return parseStockImage(source)
}

func parseStockImage(source []byte) (string, error) {
	found := regexp.MustCompile(`(?m)^const Image = "([^"]+)"`).FindSubmatch(source)
	if found == nil {
		return "", errors.New("find kind's node image: its source has no constant Image")
	}
	return string(found[1]), nil
}
