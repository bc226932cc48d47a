// SPDX-License-Identifier: Apache-2.0

//go:build integration

package containerd_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/namespaces"

	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// recordsDir has the records that the unit tests of agent/inventory/containerd decode.
const recordsDir = "../../agent/inventory/containerd/testdata/records"

var update = flag.Bool("update", false, "write the records of the containers to "+recordsDir)

// storedRecord is a record as these unit tests read it.
type storedRecord struct {
	Namespace  string                     `json:"namespace"`
	ID         string                     `json:"id"`
	Image      string                     `json:"image"`
	Labels     map[string]string          `json:"labels,omitempty"`
	Sandbox    string                     `json:"sandbox,omitempty"`
	Spec       json.RawMessage            `json:"spec"`
	Extensions map[string]json.RawMessage `json:"extensions,omitempty"`
}

// keepRecords writes the records of containers, a line each, if that is asked for.
func keepRecords(t *testing.T, c *runtimetest.Containerd, name string, all ...runtimetest.Container) {
	t.Helper()
	if !*update {
		return
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	for _, container := range all {
		ctx := namespaces.WithNamespace(t.Context(), container.Namespace)
		record, err := c.Client(t).ContainerService().Get(ctx, container.ID)
		if err == nil {
			err = encoder.Encode(stored(container.Namespace, &record))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	version := strings.Split(c.Version(), ".")
	dir := filepath.Join(recordsDir, strings.Join(version[:2], "."))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".json"), text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func stored(namespace string, container *containers.Container) storedRecord {
	record := storedRecord{
		Namespace: namespace, ID: container.ID, Image: container.Image, Labels: container.Labels, Sandbox: container.SandboxID,
		Spec: container.Spec.GetValue(), Extensions: make(map[string]json.RawMessage),
	}
	for name, extension := range container.Extensions {
		record.Extensions[name] = extension.GetValue()
	}
	return record
}
