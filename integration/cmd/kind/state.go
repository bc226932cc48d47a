// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Files in the directory of a cluster, which scripts and tests look for.
const (
	stateFile      = "cluster.json"
	kubeconfigFile = "kubeconfig"
	kubectlFile    = "kubectl"
)

// state is what is known of a cluster that came up.
type state struct {
	Engine string   `json:"engine"` // docker or podman
	Image  string   `json:"image"`  // that the nodes are made of
	Nodes  []string `json:"nodes"`  // names of the nodes and of their containers, the control plane first
}

// readState returns nothing where there is no cluster.
func readState(dir string) (state, error) {
	content, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, fmt.Errorf("read state of the cluster: %w", err)
	}
	var s state
	if err := json.Unmarshal(content, &s); err != nil {
		return state{}, fmt.Errorf("read state of the cluster from %s: %w", dir, err)
	}
	return s, nil
}

func (s state) write(dir string) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode state of the cluster: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, stateFile), append(content, '\n'), 0o644); err != nil {
		return fmt.Errorf("write state of the cluster: %w", err)
	}
	return nil
}
