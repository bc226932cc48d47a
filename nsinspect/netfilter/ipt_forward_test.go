// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recordedLegacy returns the tables that the integration tests recorded of a kernel, by the
// number of the family: struct xt_getinfo and the entries.
func recordedLegacy(t testing.TB, file string) [2][]byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var tables [2][]byte
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, dump, _ := strings.Cut(lines.Text(), " ")
		number := slices.Index([]string{"ip", "ip6"}, name)
		data, err := hex.DecodeString(dump)
		if err != nil || number < 0 || len(data) < iptInfoSize {
			t.Fatalf("not a line of a table: %.40q: %v", lines.Text(), err)
		}
		tables[number] = data
	}
	if lines.Err() != nil || tables[0] == nil || tables[1] == nil {
		t.Fatalf("a table is missing: %v", lines.Err())
	}
	return tables
}

// legacyRecordings lists what was recorded of legacy iptables.
func legacyRecordings(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(recordings, "*.legacy"))
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing is recorded: %v", err)
	}
	return files
}

// readLegacyTable reads one table.
func readLegacyTable(t testing.TB, number int, data []byte, limits limits) (Table, error) {
	t.Helper()
	family := legacyFamilies()[number]
	dump := legacyDump{entries: data[iptInfoSize:]}
	copy(dump.info[:], data)
	table, err := parseLegacy(&family, &dump)
	if err != nil {
		return Table{}, err
	}
	reader := newTracer(table, testNames(), testLocal(), limits)
	err = reader.read(t.Context())
	return reader.result(), err
}

// readRecorded reads both tables of a recording.
func readRecorded(t testing.TB, file string) Table {
	t.Helper()
	var all Table
	for number, data := range recordedLegacy(t, file) {
		table, err := readLegacyTable(t, number, data, defaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		all.add(&table)
	}
	slices.SortFunc(all.Forwards, compareForwards)
	return all
}

// TestLegacyForms reads the rules of each program that forwards host ports, and of some that do
// not. Where they were made in nf_tables as well, the same is found.
func TestLegacyForms(t *testing.T) {
	for _, file := range legacyRecordings(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(strings.TrimSuffix(file, ".legacy") + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var want struct {
				Forwards []Forward
				Ignored  int
			}
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			for i := range want.Forwards {
				want.Forwards[i].Backend = IptablesLegacy
			}
			table := readRecorded(t, file)
			if diff := cmp.Diff(want.Forwards, table.Forwards, cmpForward()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if table.Ignored != want.Ignored || len(table.Unread) > 0 {
				t.Errorf("%d rules were ignored, want %d; unread %q", table.Ignored, want.Ignored, table.Unread)
			}
		})
	}
}

// What is counted as a rule is what iptables shows as one, of the chains that are looked at.
func TestLegacyRules(t *testing.T) {
	for name, want := range map[string]int{"kube-proxy-iptables": 7, "crio": 6, "revisions": 4, "forms-iptables": 23} {
		if got := readRecorded(t, filepath.Join(recordings, name+".legacy")).Rules; got != want {
			t.Errorf("%s: %d rules were read, want %d", name, got, want)
		}
	}
}

// Whatever there is too much of is said, and what was read until then is kept.
func TestLegacyLimits(t *testing.T) {
	limits := defaultLimits()
	limits.forwards = 1
	data := recordedLegacy(t, filepath.Join(recordings, "docker-iptables.legacy"))[0]
	table, err := readLegacyTable(t, 0, data, limits)
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Forwards) != 1 || len(table.Unread) != 1 || !strings.Contains(table.Unread[0], "more than 1 forwards") {
		t.Errorf("%d forwards, unread %q", len(table.Forwards), table.Unread)
	}
}
