// SPDX-License-Identifier: Apache-2.0

//go:build integration

package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

const (
	// ordinaryContainers have ordinaryProcesses each.
	ordinaryContainers = 200
	ordinaryProcesses  = 3
	// floodContainers do what they can to keep a scan busy.
	floodContainers = 20
	// floodInterval is the time between two scans: the agent's default would take an hour.
	floodInterval = 5 * time.Second
	// trials is how many escapes are timed, at moments spread over the time between scans.
	trials = 6
	// scansTimed are listEvery+1 of the agent's, of which two list all open files.
	scansTimed = 11
)

// BenchmarkFloods times scans of a node with 200 ordinary containers, and how long it takes until a process that one of
// them sends into the host's network is found: alone, and beside 20 containers that flood the node with something.
func BenchmarkFloods(b *testing.B) {
	n := newNode(b)
	listener, err := net.Listen("tcp", ":0") // Without one no scan lists open files.
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	n.ordinary(b)
	n.sleeper(b)
	alone := n.watch(b, "no floods", true)
	results := []floodResult{alone}
	for _, flood := range floodKinds() {
		results = append(results, n.flooded(b, flood, false))
	}
	all := n.flooded(b, "all", true)
	results = append(results, all)
	floodTables = append(floodTables, results)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(all.latency.Seconds()/alone.latency.Seconds(), "latency-x-alone")
	if all.latency > 2*alone.latency {
		b.Errorf("beside floods an escape is found after %s, alone after %s", all.latency, alone.latency)
	}
}

// ordinary starts the containers that are beside the floods.
func (n *node) ordinary(b *testing.B) {
	b.Helper()
	err := n.away(func() error {
		for range ordinaryContainers {
			if err := n.container(ordinaryProcesses, "/bin/sleep", "infinity"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// sleeper starts the container that escapes.
func (n *node) sleeper(b *testing.B) {
	b.Helper()
	n.self(b, "a process that escapes", escapeEnv+"=1")
}

// flooded is watch beside flooding containers, which then end. All is one after another of each kind.
func (n *node) flooded(b *testing.B, flood string, escapes bool) floodResult {
	b.Helper()
	kinds := floodKinds()
	before := len(n.pids)
	for i := range floodContainers {
		kind := flood
		if flood == "all" {
			kind = kinds[i%len(kinds)]
		}
		n.self(b, "a flood of "+kind, floodEnv+"="+kind)
	}
	result := n.watch(b, flood, escapes)
	for _, pid := range n.pids[before:] {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			b.Error(err)
		}
	}
	for _, pid := range n.pids[before:] {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
			b.Error(err)
		}
	}
	n.pids = n.pids[:before]
	return result
}

// floodResult is what was measured beside one kind of flood.
type floodResult struct {
	flood string
	// scan and longest are the median and the maximum of the scans' times, cpu the median of their processor time.
	scan, longest, cpu time.Duration
	// latency is the median of the times from an escape until it was found; 0 where it was not measured.
	latency time.Duration
	// unknown is how many containers had something unknown, and ordinary how many of these were ordinary ones.
	unknown, ordinary int
}

// watch scans as the agent does.
func (n *node) watch(b *testing.B, flood string, escapes bool) floodResult {
	b.Helper()
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		b.Fatal(err)
	}
	defer fs.Close()
	config := agentConfig()
	config.Procfs, config.Settle = fs, scan.DefaultSettle
	config.Hosts = []nsinspect.HostCandidate{{Reference: nsinspect.ByPID1, PID: 1}}
	config.Forwards = scan.NewForwardReader()
	w := &watched{b: b, node: n, config: *config, result: floodResult{flood: flood}}
	w.look() // The first look makes the kernel's inodes.
	w.times, w.cpus = nil, nil
	for range scansTimed {
		w.look()
	}
	if escapes {
		w.escapes()
	}
	w.result.scan, w.result.longest, w.result.cpu = middle(w.times), slices.Max(w.times), middle(w.cpus)
	return w.result
}

func middle(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// watched is a node that is scanned again and again.
type watched struct {
	b           *testing.B
	node        *node
	config      scan.Config
	result      floodResult
	times, cpus []time.Duration
	last        *snapshot.Snapshot
}

// look scans once.
func (w *watched) look() {
	w.b.Helper()
	before, start := processTime(), time.Now()
	snap, err := scan.New(w.config).Scan(context.Background())
	if err != nil {
		w.b.Fatal(err)
	}
	if gaps := snap.Coverage.Gaps; len(gaps) > 0 {
		w.b.Errorf("beside %s, unknown of the node: %v", w.result.flood, gaps)
	}
	w.times, w.cpus = append(w.times, time.Since(start)), append(w.cpus, processTime()-before)
	w.last = snap
	w.result.unknown, w.result.ordinary = 0, 0
	for i := range snap.Containers {
		container := &snap.Containers[i]
		if len(container.Unread.Gaps) == 0 && len(container.Unread.Security) == 0 && len(container.Unread.Sockets) == 0 {
			continue
		}
		w.result.unknown++
		if w.node.isOrdinary(container.ID) {
			w.result.ordinary++
		}
	}
}

// isOrdinary reports whether a container is one of those that were started first.
func (n *node) isOrdinary(id string) bool {
	for i := range ordinaryContainers + 1 {
		if containerID(i+1) == id {
			return true
		}
	}
	return false
}

// escapes times how long it takes to find a process that goes into the host's network.
func (w *watched) escapes() {
	w.b.Helper()
	pid := w.node.pids[ordinaryContainers*ordinaryProcesses]
	var latencies []time.Duration
	for trial := range trials {
		before := time.Duration(2*trial+1) * floodInterval / (2 * trials)
		time.Sleep(before)
		if err := unix.Kill(pid, unix.SIGUSR1); err != nil {
			w.b.Fatal(err)
		}
		start := time.Now()
		time.Sleep(floodInterval - before)
		for w.look(); !w.escaped(pid); w.look() {
			time.Sleep(floodInterval)
		}
		latencies = append(latencies, time.Since(start))
		if err := unix.Kill(pid, unix.SIGUSR2); err != nil {
			w.b.Fatal(err)
		}
	}
	w.result.latency = middle(latencies)
}

// escaped reports whether a process was seen in the host's network.
func (w *watched) escaped(pid int) bool {
	host, _ := w.last.Host.Namespaces.Get(nsinspect.Net)
	for i := range w.last.Containers {
		for _, process := range w.last.Containers[i].Processes {
			if process.PID == pid && slices.ContainsFunc(process.Groups, func(g nsinspect.ThreadGroup) bool {
				id, ok := g.Namespaces.Get(nsinspect.Net)
				return ok && id == host
			}) {
				return true
			}
		}
	}
	return false
}

// processTime is the processor time of this process.
func processTime() time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// floodTables are the results of BenchmarkFloods, printed once all is done.
var floodTables [][]floodResult

// printFloods writes Markdown, ready for docs/performance.md.
func printFloods(w io.Writer) {
	for _, results := range floodTables {
		fmt.Fprintf(w, "\n%d containers beside %d that flood; %d scans, one each %s\n\n", ordinaryContainers, floodContainers, scansTimed, floodInterval)
		fmt.Fprintln(w, "| | scan, median | longest | processor time | escape found after | unknown containers | of these ordinary |")
		fmt.Fprintln(w, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
		for _, r := range results {
			latency := "–"
			if r.latency > 0 {
				latency = fmt.Sprintf("%.1f s", r.latency.Seconds())
			}
			fmt.Fprintln(w, strings.Join([]string{
				"| " + r.flood, milliseconds(r.scan), milliseconds(r.longest), milliseconds(r.cpu), latency,
				fmt.Sprint(r.unknown), fmt.Sprint(r.ordinary) + " |",
			}, " | "))
		}
	}
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
