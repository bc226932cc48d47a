// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/vmwire"
)

// result is the outcome of the tests under one kernel.
type result struct {
	suite, release string

	facts *vmwire.Facts // nil: the guest did not come up
	exit  *vmwire.Exit  // nil: the guest did not report how the tests ended
	err   error         // why there is no exit

	bootTime, testTime time.Duration

	passed, failed, skipped int // top-level tests
}

// count looks for the verdict on a top-level test. Those on subtests are
// indented.
func (r *result) count(line string) {
	switch {
	case strings.HasPrefix(line, "--- PASS: "):
		r.passed++
	case strings.HasPrefix(line, "--- FAIL: "):
		r.failed++
	case strings.HasPrefix(line, "--- SKIP: "):
		r.skipped++
	}
}

// problems lists everything that keeps the run from being a success. No news is
// bad news: each good sign must have been seen.
func (r *result) problems() []string {
	var problems []string
	need := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	need(r.err == nil, "%v", r.err)
	if r.exit == nil {
		need(false, "no exit status")
	} else {
		need(r.exit.Code == 0, "exit status %d", r.exit.Code)
		need(r.exit.Error == "", "%s", r.exit.Error)
	}
	need(r.passed > 0, "no test passed")
	need(r.failed == 0, "%d tests failed", r.failed)
	if r.facts == nil {
		return append(problems, "no facts about the kernel")
	}
	need(r.facts.Release == r.release, "the kernel is %s", r.facts.Release)
	need(r.facts.Cgroup == "cgroup2fs", "/sys/fs/cgroup is %s", r.facts.Cgroup)
	need(r.facts.AppArmor, "AppArmor is off")
	need(r.facts.AppArmorMode == "enforce", "AppArmor's mode is %q", r.facts.AppArmorMode)
	need(r.facts.AppArmorParser, "there is no apparmor_parser")
	return problems
}

// summary is the one line that remains of a run.
func (r *result) summary() string {
	cgroup, apparmor := "?", "?"
	if r.facts != nil {
		cgroup, apparmor = r.facts.Cgroup, "no"
		if r.facts.AppArmor {
			apparmor = "yes (" + r.facts.AppArmorMode + ")"
		}
	}
	verdict := "ok"
	if problems := r.problems(); len(problems) > 0 {
		verdict = "FAILED: " + strings.Join(problems, "; ")
	}
	return fmt.Sprintf("vm: %s kernel %s, cgroup %s, AppArmor %s, boot %.1fs, tests %.1fs, %d passed, %d failed, %d skipped: %s",
		r.suite, r.release, cgroup, apparmor, r.bootTime.Seconds(), r.testTime.Seconds(),
		r.passed, r.failed, r.skipped, verdict)
}
