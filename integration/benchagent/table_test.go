// SPDX-License-Identifier: Apache-2.0

//go:build integration

package benchagent_test

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"
)

// usage is what a process has used at a moment.
type usage struct {
	cpu time.Duration
	rss int64 // bytes
}

// sample reads the usage of each program, in their order.
func (n node) sample(programs []program) []usage {
	n.t.Helper()
	var all []usage
	for _, p := range programs {
		// Fields 14 and 15 are utime and stime; no program here has a blank in its name.
		out := n.bash(`getconf CLK_TCK; cut -d ' ' -f 14,15 "/proc/$1/stat"; awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"`, strconv.Itoa(p.pid))
		var perSecond, user, system, kilobytes int64
		if _, err := fmt.Sscan(out, &perSecond, &user, &system, &kilobytes); err != nil {
			n.t.Fatalf("read the usage of %s, pid %d: %v in %q", p.name, p.pid, err, out)
		}
		all = append(all, usage{cpu: time.Duration(user+system) * time.Second / time.Duration(perSecond), rss: kilobytes << 10})
	}
	return all
}

func printTable(out io.Writer, programs []program, before, after []usage, measured time.Duration) {
	const megabyte = 1 << 20
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, name("")+"\tCPU seconds a minute\t% of a core\tRSS MiB\tbinary MiB\t")
	for i, p := range programs {
		cpu := (after[i].cpu - before[i].cpu).Seconds()
		fmt.Fprintf(table, "%s\t%.2f\t%.2f\t%.1f\t%.1f\t\n", name(p.name), cpu/measured.Minutes(), 100*cpu/measured.Seconds(),
			float64(after[i].rss)/megabyte, float64(p.size)/megabyte)
	}
	_ = table.Flush()
}

// name makes the names, unlike the numbers, align on the left.
func name(name string) string { return fmt.Sprintf("%-16s", name) }

func perScan(before, after usage, scans uint64) time.Duration {
	if scans == 0 {
		return 0
	}
	return ((after.cpu - before.cpu) / time.Duration(scans)).Round(time.Millisecond)
}
