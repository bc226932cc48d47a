// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// TestEnded checks which of the containers that do not run are kept.
func TestEnded(t *testing.T) {
	t.Parallel()
	of := func(id string, status inventory.Status, change func(*inventory.Container)) inventory.Container {
		container := scantest.Named(id, status, 0)
		container.Pod = &inventory.Pod{Namespace: "default", Name: "p", UID: "u"}
		if change != nil {
			change(&container)
		}
		return container
	}
	listed := []inventory.Container{
		of("a", inventory.Stopped, nil),
		of("b", inventory.NoTask, nil),
		of("c", inventory.Stopped, func(c *inventory.Container) { c.Sandbox = true }),
		of("d", inventory.Stopped, func(c *inventory.Container) { c.Pod = nil }),
	}
	fs := scantest.Procfs(t, map[int]string{42: "/kubepods/" + scantest.HexID("e")})
	scanner := New(Config{
		Procfs: fs, Source: scantest.Source{Listed: append(listed, scantest.Named("e", inventory.Running, 42))},
		Hosts: []nsinspect.HostCandidate{{Reference: nsinspect.ByPID1, PID: 1}},
	})
	snap, err := scanner.Scan(t.Context())
	scantest.Must(t, err)
	if diff := cmp.Diff([]string{"k8s.io/e running 1"}, scantest.Outcome(snap)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(listed[:2], snap.Ended); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
