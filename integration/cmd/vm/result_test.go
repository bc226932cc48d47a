// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/nsaudit/nsaudit/integration/internal/vmwire"
)

// goodResult is a run with nothing wrong.
func goodResult() result {
	return result{
		suite: "bookworm", release: "6.1.0",
		facts: &vmwire.Facts{
			Release: "6.1.0", Cgroup: "cgroup2fs",
			AppArmor: true, AppArmorMode: "enforce", AppArmorParser: true,
		},
		exit:   &vmwire.Exit{},
		passed: 3, skipped: 1,
	}
}

func TestGoodResultHasNoProblems(t *testing.T) {
	r := goodResult()
	if problems := r.problems(); len(problems) > 0 {
		t.Errorf("problems() = %q", problems)
	}
	if got := r.summary(); !strings.HasSuffix(got, ": ok") {
		t.Errorf("summary() = %q", got)
	}
}

// Each single sign that is missing or bad must fail the run.
func TestProblems(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*result)
		want  string
	}{
		"no exit":        {func(r *result) { r.exit = nil }, "no exit status"},
		"exit code":      {func(r *result) { r.exit.Code = 2 }, "exit status 2"},
		"killed":         {func(r *result) { *r.exit = vmwire.Exit{Code: -1, Error: "signal: killed"} }, "signal: killed"},
		"output lost":    {func(r *result) { r.exit.Error = "broken pipe" }, "broken pipe"},
		"no test":        {func(r *result) { r.passed = 0 }, "no test passed"},
		"failed test":    {func(r *result) { r.failed = 1 }, "1 tests failed"},
		"error":          {func(r *result) { r.err = errors.New("timeout") }, "timeout"},
		"no facts":       {func(r *result) { r.facts = nil }, "no facts"},
		"other kernel":   {func(r *result) { r.facts.Release = "5.10" }, "kernel is 5.10"},
		"hybrid cgroups": {func(r *result) { r.facts.Cgroup = "tmpfs" }, "/sys/fs/cgroup is tmpfs"},
		"no AppArmor":    {func(r *result) { r.facts.AppArmor = false }, "AppArmor is off"},
		"complaining":    {func(r *result) { r.facts.AppArmorMode = "complain" }, `"complain"`},
		"no parser":      {func(r *result) { r.facts.AppArmorParser = false }, "no apparmor_parser"},
	} {
		t.Run(name, func(t *testing.T) {
			r := goodResult()
			test.spoil(&r)
			got := r.summary()
			if !strings.Contains(got, "FAILED: ") || !strings.Contains(got, test.want) {
				t.Errorf("summary() = %q, want FAILED with %q", got, test.want)
			}
		})
	}
}

func TestCountsOnlyTopLevelTests(t *testing.T) {
	var r result
	for line := range strings.SplitSeq(`=== RUN   TestA
    --- PASS: TestA/sub (0.00s)
--- PASS: TestA (0.00s)
    a_test.go:1: --- FAIL: quoted
--- SKIP: TestB (0.00s)
--- FAIL: TestC (0.00s)
--- PASS: TestD (0.00s)
PASS`, "\n") {
		r.count(line)
	}
	if r.passed != 2 || r.skipped != 1 || r.failed != 1 {
		t.Errorf("passed %d, skipped %d, failed %d; want 2, 1, 1", r.passed, r.skipped, r.failed)
	}
}
