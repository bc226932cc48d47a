package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nsaudit/nsaudit/integration/vm/internal/wire"
)

// result is what came of the tests under one kernel.
type result struct {
	suite, release string
	facts          *wire.Facts // nil: the guest did not come up
	exit           *wire.Exit  // nil: the guest did not say how the tests ended
	boot, tests    time.Duration

	passed, failed, skipped int // top-level tests

	err error // why there is no exit
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
	need(r.exit != nil, "no exit status")
	if r.exit != nil {
		need(r.exit.Code == 0 && r.exit.Error == "", "exit status %d %s", r.exit.Code, r.exit.Error)
	}
	need(r.passed > 0, "no test passed")
	need(r.failed == 0, "%d tests failed", r.failed)
	if r.facts == nil {
		return append(problems, "no facts about the kernel")
	}
	need(r.facts.Release == r.release, "kernel is %s", r.facts.Release)
	need(r.facts.Cgroup == "cgroup2fs", "/sys/fs/cgroup is %s", r.facts.Cgroup)
	need(r.facts.AppArmor, "AppArmor is off")
	need(r.facts.AppArmorMode == "enforce", "AppArmor mode is %q", r.facts.AppArmorMode)
	need(r.facts.AppArmorParser, "no apparmor_parser")
	return problems
}

// summary is the one line that remains of a run.
func (r *result) summary() string {
	facts := wire.Facts{Cgroup: "?", AppArmorMode: "?"}
	if r.facts != nil {
		facts = *r.facts
	}
	apparmor := "no"
	if facts.AppArmor {
		apparmor = "yes (" + facts.AppArmorMode + ")"
	}
	verdict := "ok"
	if problems := r.problems(); len(problems) > 0 {
		verdict = "FAILED: " + strings.Join(problems, "; ")
	}
	return fmt.Sprintf("vm: %s kernel %s, cgroup %s, AppArmor %s, boot %.1fs, tests %.1fs, %d passed, %d failed, %d skipped: %s",
		r.suite, r.release, facts.Cgroup, apparmor, r.boot.Seconds(), r.tests.Seconds(),
		r.passed, r.failed, r.skipped, verdict)
}

// showConsole prints the end of the console of a VM that did not work: it may
// hold a kernel's panic or a failed mount.
func (m machine) showConsole(r result) {
	if len(r.problems()) == 0 {
		return
	}
	console, err := os.ReadFile(m.console)
	if err != nil {
		fmt.Fprintf(m.out, "vm: no console of %s: %v\n", r.suite, err)
		return
	}
	fmt.Fprintf(m.out, "vm: the last lines of the console, all of it is in %s:\n%s\n",
		m.console, lastLines(string(console), consoleTail))
}
