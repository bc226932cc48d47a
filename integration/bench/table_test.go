// SPDX-License-Identifier: Apache-2.0

//go:build integration

package bench

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
)

// table is the results of one benchmark.
type table struct {
	title, unit string
	results     []result
	notes       []string
}

// base is the name of what all are compared with.
func (t *table) base() string {
	return t.results[slices.IndexFunc(t.results, func(r result) bool { return isBase(r.way) })].way.name
}

// tables is what the run measured, printed once all is done: the testing package mixes its own lines with what is
// written in between.
var tables []table

// printTables writes Markdown, ready for docs/performance.md.
func printTables(w io.Writer) {
	for i, t := range tables {
		if i == 0 {
			fmt.Fprintf(w, "\n%s on %d processors, %s/%s\n", runtime.Version(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
		}
		fmt.Fprintf(w, "\n%s\n\n", t.title)
		fmt.Fprintf(w, "| | µs/%s | × %s | allocations/%s | bytes/%s | system calls/%s |\n", t.unit, t.base(), t.unit, t.unit, t.unit)
		fmt.Fprintln(w, "| --- | ---: | ---: | ---: | ---: | ---: |")
		for _, r := range t.results {
			fmt.Fprintf(w, "| %s | %.1f | %.2f | %s | %s | %s |\n", r.way.name, r.nanoseconds/1e3, r.ratio,
				number(r.allocs, "%.1f", r.way.command == nil), number(r.bytes, "%.0f", r.way.command == nil), number(r.syscalls, "%.1f", r.syscalls >= 0))
		}
		if len(t.notes) > 0 {
			fmt.Fprintf(w, "\n%s\n", strings.Join(t.notes, "\n"))
		}
	}
}

// number formats what is known, and leaves out what is not.
func number(value float64, format string, known bool) string {
	if !known {
		return ""
	}
	return fmt.Sprintf(format, value)
}
