// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// introduceNodes tells each node the names of the others, once they are started and before the worker asks for the
// control plane. Docker answers for names of containers itself, podman only with plugins that many machines lack.
func (c *cluster) introduceNodes(ctx context.Context) error {
	if c.engine.name != podman {
		return nil
	}
	addresses, err := c.awaitAddresses(ctx)
	if err != nil {
		return err
	}
	for node := range addresses {
		for other, address := range addresses {
			if other == node {
				continue
			}
			const appendLine = `echo "$0" >>/etc/hosts`
			if _, err := c.engine.run(ctx, "exec", node, "sh", "-c", appendLine, address+" "+other); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaitAddresses returns the address of each node by its name.
func (c *cluster) awaitAddresses(ctx context.Context) (map[string]string, error) {
	const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
	addresses := map[string]string{}
	for {
		for _, node := range c.nodes() {
			// A node that is not there yet is an error, and one that does not run yet has no address.
			address, err := c.engine.run(ctx, "inspect", "--format", format, node)
			if address = strings.TrimSpace(address); err == nil && address != "" {
				addresses[node] = address
			}
		}
		if len(addresses) == len(c.nodes()) {
			return addresses, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// podRange is where the pods of a node are.
type podRange struct{ node, pods, address string }

// connectNodes tells every node where the pods of the others are, as kindnetd does in kind's own image.
func (c *cluster) connectNodes(ctx context.Context) error {
	const each = `{range .items[*]}{.metadata.name} {.spec.podCIDR} ` +
		`{.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}`
	output, err := c.kubectl(ctx, "get", "nodes", "--output", "jsonpath="+each)
	if err != nil {
		return err
	}
	ranges, err := parseRanges(output)
	if err != nil {
		return err
	}
	for _, from := range ranges {
		for _, to := range ranges {
			if from == to {
				continue
			}
			if _, err := c.engine.run(ctx, "exec", from.node, "ip", "route", "replace", to.pods, "via", to.address); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseRanges reads lines of a node's name, pod range and address, of which it may have one of each IP version.
func parseRanges(output string) ([]podRange, error) {
	var ranges []podRange
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			return nil, fmt.Errorf("a node has no pod range or no address: %q", line)
		}
		ranges = append(ranges, podRange{node: fields[0], pods: fields[1], address: fields[2]})
	}
	return ranges, nil
}
