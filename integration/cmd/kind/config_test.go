// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// kindConfig is of kind's configuration what differs between the two node images.
type kindConfig struct {
	Nodes []struct {
		Role        string
		ExtraMounts []struct{ HostPath, ContainerPath string }
	}
	KubeadmConfigPatches []string
	Networking           map[string]any
}

func TestRenderConfig(t *testing.T) {
	const policy = `/cache of "me"/audit-policy.yaml`
	tests := map[string]struct {
		built      bool
		patched    []string
		networking map[string]any
	}{
		"stock image": {patched: []string{"KubeletConfiguration", "ClusterConfiguration"}},
		"built image": {
			built:      true,
			patched:    []string{"KubeletConfiguration", "ClusterConfiguration", "InitConfiguration"},
			networking: map[string]any{"disableDefaultCNI": true, "kubeProxyMode": "nftables"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rendered, err := renderConfig(policy, test.built)
			if err != nil {
				t.Fatal(err)
			}
			var config kindConfig
			if err := yaml.Unmarshal([]byte(rendered), &config); err != nil {
				t.Fatalf("%v in:\n%s", err, rendered)
			}
			if len(config.Nodes) != 2 || config.Nodes[0].ExtraMounts[0].HostPath != policy {
				t.Errorf("nodes = %+v, want a control plane with the audit policy and a worker", config.Nodes)
			}
			if diff := cmp.Diff(test.patched, kinds(t, config.KubeadmConfigPatches)); diff != "" {
				t.Errorf("patches (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.networking, config.Networking); diff != "" {
				t.Errorf("networking (-want +got):\n%s", diff)
			}
		})
	}
}

func kinds(t *testing.T, documents []string) []string {
	t.Helper()
	var all []string
	for _, document := range documents {
		var content struct{ Kind string }
		if err := yaml.Unmarshal([]byte(document), &content); err != nil {
			t.Fatal(err)
		}
		all = append(all, content.Kind)
	}
	return all
}

func TestWriteConfig(t *testing.T) {
	dir := t.TempDir()
	file, err := writeConfig(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(config), dir+"/audit-policy.yaml") {
		t.Errorf("no audit policy in:\n%s", config)
	}
	if _, err := os.Stat(dir + "/audit-policy.yaml"); err != nil {
		t.Error(err)
	}
}

func TestPodmanSettings(t *testing.T) {
	const want = `# Written by integration/cmd/kind.
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=10000:10000"]
pids_limit = 0

[engine]
runtime = "runc"
`
	if diff := cmp.Diff(want, podmanSettings(20000, 1<<40)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStateIsReadAsWritten(t *testing.T) {
	dir := t.TempDir()
	if none, err := readState(dir); err != nil || none.Image != "" {
		t.Errorf("state of no cluster = %+v (%v)", none, err)
	}
	want := state{Engine: podman, Image: "node:1", Nodes: []string{"a-control-plane", "a-worker"}}
	if err := want.write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := readState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
