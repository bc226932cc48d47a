// SPDX-License-Identifier: Apache-2.0

package command

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRunReturnsStandardOutput(t *testing.T) {
	setting := Setting{Dir: "/", Env: []string{"WHAT=this"}}
	got, err := setting.Run(t.Context(), "sh", "-c", `pwd; echo "$WHAT"; echo that >&2`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("/\nthis\n", got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRunErrorCarriesTheLastLines(t *testing.T) {
	_, err := Run(t.Context(), "sh", "-c", `seq 1000; echo no space >&2; exit 3`)
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	got := []string{lines[0], lines[1], lines[len(lines)-1]}
	if diff := cmp.Diff([]string{"sh: exit status 3", "962", "no space"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNeedNamesEveryPackage(t *testing.T) {
	if err := Need(Program{"sh", "dash"}); err != nil {
		t.Error(err)
	}
	err := Need(Program{"no-such-program", "one"}, Program{"sh", "dash"}, Program{"nor-this", "two"})
	const want = "missing: no-such-program, nor-this; on Debian, run: apt-get install --no-install-recommends one two"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
}
