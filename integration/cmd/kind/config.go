// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed config/kind.yaml.template
var kindTemplate string

//go:embed config/audit-policy.yaml
var auditPolicy string

// writeConfig writes kind's configuration, and what that refers to, into a directory.
func writeConfig(dir string, built bool) (file string, err error) {
	policy := filepath.Join(dir, "audit-policy.yaml")
	config, err := renderConfig(policy, built)
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "kind.yaml")
	for path, content := range map[string]string{policy: auditPolicy, file: config} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return "", fmt.Errorf("write kind's configuration: %w", err)
		}
	}
	return file, nil
}

func renderConfig(policy string, built bool) (string, error) {
	shape, err := template.New("kind.yaml").Parse(kindTemplate)
	if err != nil {
		return "", fmt.Errorf("render kind's configuration: %w", err)
	}
	var config bytes.Buffer
	if err := shape.Execute(&config, map[string]any{"AuditPolicy": policy, "Built": built}); err != nil {
		return "", fmt.Errorf("render kind's configuration: %w", err)
	}
	return config.String(), nil
}
