// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"encoding/json"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"
)

// JSON writes the document as indented JSON.
func (s *Scan) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// YAML writes the document as YAML, with the fields' names of JSON.
func (s *Scan) YAML(w io.Writer) error {
	text, err := yaml.Marshal(s)
	if err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	return nil
}
