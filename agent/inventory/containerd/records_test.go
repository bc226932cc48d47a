// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

var update = flag.Bool("update", false, "write the golden files")

// storedRecord is a record that a containerd had. The integration tests of containerd write them
// (TestDeclared, with -update).
type storedRecord struct {
	Namespace  string                     `json:"namespace"`
	ID         string                     `json:"id"`
	Image      string                     `json:"image"`
	Labels     map[string]string          `json:"labels"`
	Sandbox    string                     `json:"sandbox"`
	Spec       json.RawMessage            `json:"spec"`
	Extensions map[string]json.RawMessage `json:"extensions"`
}

// container returns the record as containerd hands it over.
func (r *storedRecord) container() *containersapi.Container {
	record := &containersapi.Container{
		ID: r.ID, Image: r.Image, Labels: r.Labels, Sandbox: r.Sandbox,
		Spec: &anypb.Any{Value: r.Spec}, Extensions: make(map[string]*anypb.Any),
	}
	for name, value := range r.Extensions {
		record.Extensions[name] = &anypb.Any{Value: value}
	}
	return record
}

// recordFiles returns the files with the records of containerds, by version. Each has those of a
// pod, or of a container without one.
func recordFiles(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob("testdata/records/*/*.json")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no records: %v", err)
	}
	return files
}

func readRecords(tb testing.TB, file string) []storedRecord {
	tb.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	var records []storedRecord
	for line := range bytes.Lines(text) {
		var record storedRecord
		if err := json.Unmarshal(line, &record); err != nil {
			tb.Fatal(err)
		}
		records = append(records, record)
	}
	return records
}

// addRecords seeds a fuzz test with a part of each record.
func addRecords(f *testing.F, part func(*storedRecord) []byte) {
	f.Helper()
	for _, file := range recordFiles(f) {
		records := readRecords(f, file)
		for i := range records {
			f.Add(part(&records[i]))
		}
	}
}

// TestRecords decodes the records of real containers of containerd 1.6 and 2.4.
func TestRecords(t *testing.T) {
	t.Parallel()
	for _, file := range recordFiles(t) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			records := readRecords(t, file)
			var all []*containersapi.Container
			for i := range records {
				all = append(all, records[i].container())
			}
			var got bytes.Buffer
			encoder := json.NewEncoder(&got)
			encoder.SetIndent("", "  ")
			for _, container := range assembled(records[0].Namespace, all, nil, nil) {
				if err := encoder.Encode(map[string]*inventory.Security{container.Name: container.Security}); err != nil {
					t.Fatal(err)
				}
			}
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
		})
	}
}
