// SPDX-License-Identifier: Apache-2.0

//go:build integration

package bench

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// minRounds is how many rounds there are at least. The number is odd, so that the median is a value that was measured.
const minRounds = 9

// sample is one look.
type sample struct {
	elapsed       time.Duration
	allocs, bytes uint64
}

// result is what one benchmark measured of one way; the numbers are medians of all rounds, for one process or thread.
type result struct {
	way           way
	nanoseconds   float64
	allocs, bytes float64
	// ratio is the time in relation to that of the same round that isBase has chosen.
	ratio float64
	// syscalls is -1 if they were not counted.
	syscalls float64
}

// measure lets all ways take turns, and returns what they took for each of count items.
func measure(b *testing.B, all []way, count int) []result {
	b.Helper()
	samples := make([][]sample, len(all))
	for i := range all {
		look(b, all[i], count) // The first look makes the kernel's inodes, which are kept as long as the processes.
	}
	rounds, order := 0, rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		for range minRounds {
			// Each affects the next: lsns is a process to reap, and has had the caches to itself. So the order changes
			// from round to round; the seed makes it the same for every run.
			for _, i := range order.Perm(len(all)) {
				samples[i] = append(samples[i], look(b, all[i], count))
			}
			rounds++
		}
	}
	base := slices.IndexFunc(all, isBase)
	results := make([]result, len(all))
	for i := range all {
		ratios := make([]float64, rounds)
		for round := range ratios {
			ratios[round] = float64(samples[i][round].elapsed) / float64(samples[base][round].elapsed)
		}
		results[i] = result{
			way:         all[i],
			nanoseconds: medianOf(samples[i], func(s sample) float64 { return float64(s.elapsed) }) / float64(count),
			allocs:      medianOf(samples[i], func(s sample) float64 { return float64(s.allocs) }) / float64(count),
			bytes:       medianOf(samples[i], func(s sample) float64 { return float64(s.bytes) }) / float64(count),
			ratio:       median(ratios),
			syscalls:    -1,
		}
	}
	return results
}

// isBase reports whether others are compared with a way to look.
func isBase(w way) bool { return w.name == bareWay || w.name == namespacesWay }

// look looks once, and fails if not everything was seen.
func look(b *testing.B, w way, count int) sample {
	b.Helper()
	var before, after runtime.MemStats
	runtime.GC() // So that none pays for the garbage of another.
	runtime.ReadMemStats(&before)
	start := time.Now()
	seen, err := w.look(context.Background())
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)
	if err != nil {
		b.Fatalf("%s: %v", w.name, err)
	}
	if seen >= 0 && seen < count {
		b.Fatalf("%s: saw %d of %d", w.name, seen, count)
	}
	return sample{elapsed, after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc}
}

func medianOf(samples []sample, value func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = value(s)
	}
	return median(values)
}

func median(values []float64) float64 {
	slices.SortFunc(values, cmp.Compare)
	return values[len(values)/2]
}

// report gives the results to the benchmark, in place of the time of a whole round, which says nothing.
func report(b *testing.B, results []result, unit string) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	for _, r := range results {
		name := strings.NewReplacer("prometheus/", "", " with ", "+", " loop", "", " ", "").Replace(r.way.name)
		b.ReportMetric(r.nanoseconds, fmt.Sprintf("%s-ns/%s", name, unit))
		if !isBase(r.way) {
			b.ReportMetric(r.ratio, name+"-x-base")
		}
	}
}
