// SPDX-License-Identifier: Apache-2.0

// Package promql checks the PromQL queries of docs/metrics.md: they parse, and they name only
// metrics, labels and words that there are. It is a module of its own, as the parser is
// Prometheus', which nothing else of nsaudit needs.
package promql

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// metric is a metric of the document's tables.
type metric struct {
	labels    []string
	histogram bool
}

// targetLabels are those that Prometheus gives to every series.
func targetLabels() []string { return []string{"job", "instance"} }

// metrics returns the metrics of a document by their names: the rows of its tables. A test in
// cmd/nsaudit holds these against the agent. The process's own are client_golang's.
func metrics(document string) map[string]metric {
	found := map[string]metric{"process_start_time_seconds": {}}
	row := regexp.MustCompile("(?m)^\\| `(nsaudit_\\w+)` \\|([^|]*)\\|([^|]*)\\|$")
	for _, cells := range row.FindAllStringSubmatch(document, -1) {
		labels := strings.FieldsFunc(cells[2], func(r rune) bool { return strings.ContainsRune("`, ", r) })
		found[cells[1]] = metric{labels, strings.HasPrefix(strings.TrimSpace(cells[3]), "histogram ")}
	}
	return found
}

// queries returns the blocks of a document that are PromQL.
func queries(document string) []string {
	var found []string
	for _, block := range regexp.MustCompile("(?s)```promql\n(.*?)```").FindAllStringSubmatch(document, -1) {
		found = append(found, block[1])
	}
	return found
}

// words returns the values that some labels can have, from the JSON Schema of a scan.
func words(schema []byte) (map[string][]string, error) {
	var document struct {
		Defs map[string]struct {
			Properties map[string]struct {
				Enum []string `json:"enum"`
			} `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(schema, &document); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	found := make(map[string][]string)
	for label, at := range map[string][2]string{
		"check":       {"Finding", "check"},
		"verdict":     {"Finding", "verdict"},
		"severity":    {"Finding", "severity"},
		"declared_by": {"Finding", "declaredBy"},
		"cause":       {"Unknown", "cause"},
	} {
		enum := document.Defs[at[0]].Properties[at[1]].Enum
		if len(enum) == 0 {
			return nil, fmt.Errorf("the schema has no words for %s of %s", at[1], at[0])
		}
		found[label] = enum
	}
	return found, nil
}
