// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// update writes the table of docs/security.md. Review what changes.
var update = flag.Bool("update", false, "write the table of scenarios in docs/security.md")

// TestTable compares the table of docs/security.md with the scenarios there are.
func TestTable(t *testing.T) {
	const path, begin, end = "../../docs/security.md", "<!-- scenarios begin -->\n", "<!-- scenarios end -->"
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return // a machine that has the test alone, and no documents
	}
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	old, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s does not say where the table is", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+table()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(table(), old); diff != "" {
		t.Errorf("the table is not that of the scenarios: run this test with -update (-want +got):\n%s", diff)
	}
}

func table() string {
	var b strings.Builder
	b.WriteString("| class | scenario | what is said |\n| --- | --- | --- |\n")
	for _, s := range scenarios() {
		what := s.want.String()
		switch {
		case s.open != "":
			what = "nothing: " + s.open
		case s.pending:
			what += ", not yet"
		case s.want.once:
			what += ", in one of several scans"
		}
		class := string(s.class)
		if s.innocent {
			class = "innocent"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", class, s.name, what)
	}
	return b.String()
}
