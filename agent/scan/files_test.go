// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/owner"
	"github.com/nsaudit/nsaudit/agent/scan/scantest"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

// fileLog is a reader of the files of all processes, and of those of the host if it is asked.
type fileLog struct {
	host   bool
	files  []string
	errs   []string
	beyond []string
}

func (l *fileLog) wants(record *snapshot.Process) bool { return record != nil || l.host }

func (l *fileLog) file(_ context.Context, of *openFiles, file *nsinspect.Descriptor) {
	l.files = append(l.files, fmt.Sprintf("%d/%d", of.process.PID(), file.FD))
}

func (l *fileLog) failed(of *openFiles, err error) {
	l.errs = append(l.errs, fmt.Sprintf("%d: %v", of.process.PID(), err))
}

func (l *fileLog) cut(container *snapshot.Container) { l.beyond = append(l.beyond, container.ID[:1]) }

// fileScene is a node on which processes of the containers a, b and c, by the first digit of their pids, and the host's
// process 1 have files open.
type fileScene struct {
	fs *nsinspect.FS
	// files are how many each process has open, and slow are those whose files take a second each.
	files map[int]int
	slow  map[int]bool
	cache *HolderCache
	now   time.Duration
}

func newFileScene(t *testing.T, files map[int]int) *fileScene {
	t.Helper()
	cgroups := make(map[int]string)
	for pid := range files {
		if pid >= 10 {
			cgroups[pid] = "/docker/" + scantest.HexID(string(rune('a'+pid/10-1)))
		}
	}
	return &fileScene{fs: scantest.Procfs(t, cgroups), files: files, cache: new(HolderCache)}
}

// walk is that of one scan, with shares of 100, 200 and 400 files.
func (s *fileScene) walk(readers ...fileReader) *fileWalk {
	b := newBuilder(&snapshot.Snapshot{Host: nstest.Host()}, nil)
	n := &node{fs: s.fs, ref: nstest.Host(), kinds: judged(), owners: owner.New(nstest.Host(), nil)}
	w := newFileWalk(n, b, s.cache)
	w.readers, w.shares = readers, []int{100, 200, 400}
	w.clock = func() time.Duration { return s.now }
	w.list = s.list
	for pid := range s.files {
		if pid < 10 {
			w.other(pid, "")
			continue
		}
		container, err := owned(context.Background(), n, b, must(s.fs.Open(pid)))
		if err != nil {
			panic(err)
		}
		container.Processes = append(container.Processes, snapshot.Process{PID: pid})
		slices.SortFunc(container.Processes, func(a, b snapshot.Process) int { return a.PID - b.PID })
	}
	return w
}

func must(process *nsinspect.Process, err error) *nsinspect.Process {
	if err != nil {
		panic(err)
	}
	return process
}

// list lists files that there are none of.
func (s *fileScene) list(_ context.Context, process *nsinspect.Process, which nsinspect.DescriptorRange, visit func(*nsinspect.Descriptor) bool) (listed nsinspect.DescriptorListing, err error) {
	all := s.files[process.PID()]
	if all < 0 {
		return listed, nsinspect.ErrDenied
	}
	for fd := which.From; fd < all; fd++ {
		if listed.Seen == which.Limit {
			listed.Next = fd
			break
		}
		listed.Seen++
		if s.slow[process.PID()] {
			s.now += time.Second
		}
		if !visit(&nsinspect.Descriptor{FD: fd}) {
			listed.Next = fd + 1
			break
		}
	}
	return listed, nil
}

// TestFilesOfAllContainers has a container with more files than one scan lists: those of the others
// are listed all the same, and before most of its own.
func TestFilesOfAllContainers(t *testing.T) {
	t.Parallel()
	scene := newFileScene(t, map[int]int{1: 3, 10: 1000, 11: 2, 20: 2, 30: 4})
	log := new(fileLog)
	w := scene.walk(log)
	scantest.Must(t, w.run(t.Context()))
	if want := []string{"a"}; !slices.Equal(log.beyond, want) || len(log.errs) > 0 {
		t.Errorf("cut off %v, want %v, errors %v", log.beyond, want, log.errs)
	}
	beyondShare := slices.Index(log.files, "10/100")
	for _, want := range []string{"20/0", "20/1", "30/3"} {
		if i := slices.Index(log.files, want); i < 0 || i > beyondShare {
			t.Errorf("%s is file %d, want it before %d", want, i, beyondShare)
		}
	}
	if n := len(log.files); beyondShare < 0 || n > 400+6 {
		t.Errorf("%d files", n)
	}
	if slices.Contains(log.files, "1/0") {
		t.Error("a file of the host, which nobody wants")
	}
	if diff := cmp.Diff(map[int]bool{20: true, 30: true}, w.listed); diff != "" {
		t.Errorf("listed whole (-want +got):\n%s", diff)
	}
}

// TestHiddenFilesAreFound has more files than one scan lists: each scan goes on where the one before
// was cut off, until all were seen, and then begins anew.
func TestHiddenFilesAreFound(t *testing.T) {
	t.Parallel()
	scene := newFileScene(t, map[int]int{10: 500, 11: 3, 12: 600})
	seen := make(map[string]bool)
	scans := 0
	for ; len(seen) < 1103 && scans < 10; scans++ {
		log := new(fileLog)
		scantest.Must(t, scene.walk(log).run(t.Context()))
		for _, file := range log.files {
			seen[file] = true
		}
	}
	if len(seen) != 1103 || scans > 4 {
		t.Errorf("%d files were seen in %d scans", len(seen), scans)
	}
}

// TestFilesThatTakeLong has a container with few files that take the kernel long: they count as many.
func TestFilesThatTakeLong(t *testing.T) {
	t.Parallel()
	scene := newFileScene(t, map[int]int{10: 9, 20: 9})
	scene.slow = map[int]bool{10: true}
	log := new(fileLog)
	scantest.Must(t, scene.walk(log).run(t.Context()))
	if want := []string{"a"}; !slices.Equal(log.beyond, want) {
		t.Errorf("cut off %v, want %v", log.beyond, want)
	}
	if !slices.Contains(log.files, "20/8") || slices.Contains(log.files, "10/8") {
		t.Errorf("files %v", log.files)
	}
}

// TestFilesForSeveralReaders has one listing serve all, and a second one only what was not listed.
func TestFilesForSeveralReaders(t *testing.T) {
	t.Parallel()
	scene := newFileScene(t, map[int]int{1: 1, 10: 2, 20: -1})
	one, two := new(fileLog), new(fileLog)
	w := scene.walk(one, two)
	scantest.Must(t, w.run(t.Context()))
	one.host = true
	scantest.Must(t, w.run(t.Context()))
	want := &fileLog{files: []string{"10/0", "10/1", "1/0"}, errs: []string{"20: " + nsinspect.ErrDenied.Error()}}
	if diff := cmp.Diff(want, two, cmp.AllowUnexported(fileLog{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !slices.Equal(one.files, two.files) {
		t.Errorf("one reader has %v, another %v", one.files, two.files)
	}
}

// TestFilesOfAnotherProcess has a pid that belongs to a process of another container by now.
func TestFilesOfAnotherProcess(t *testing.T) {
	t.Parallel()
	scene := newFileScene(t, map[int]int{10: 2, 20: 2})
	log := new(fileLog)
	w := scene.walk(log)
	for _, container := range w.builder.containers {
		container.Processes = []snapshot.Process{{PID: 20}}
	}
	w.builder.containers[inventory.Key{ID: scantest.HexID("b")}].Processes = nil
	scantest.Must(t, w.run(t.Context()))
	if len(log.files) > 0 {
		t.Errorf("files %v of a process of another container", log.files)
	}
}

// TestFilesOfTheWholeNode has containers that only cgroups name beyond what a scan lists altogether:
// one that the runtime knows has its share all the same.
func TestFilesOfTheWholeNode(t *testing.T) {
	t.Parallel()
	scene := newFileScene(t, map[int]int{10: 9, 20: 9, 30: 9})
	log := new(fileLog)
	w := scene.walk(log)
	known := w.builder.containers[inventory.Key{ID: scantest.HexID("c")}]
	known.RuntimeName = "containerd"
	w.files = maxNodeFiles // Of others.
	scantest.Must(t, w.run(t.Context()))
	slices.Sort(log.beyond)
	if want := []string{"a", "b"}; !slices.Equal(log.beyond, want) || !slices.Contains(log.files, "30/8") {
		t.Errorf("cut off %v, want %v, files %v", log.beyond, want, log.files)
	}
}

// TestFilesEndWithTheScan has a scan whose time is over.
func TestFilesEndWithTheScan(t *testing.T) {
	t.Parallel()
	scene := newFileScene(t, map[int]int{10: 9})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := scene.walk(new(fileLog)).run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("run = %v, want %v", err, context.Canceled)
	}
}

func TestThreadTime(t *testing.T) {
	t.Parallel()
	for before, deadline := threadTime(), time.Now().Add(10*time.Second); threadTime() <= before; {
		if time.Now().After(deadline) {
			t.Fatal("this thread uses no processor time")
		}
	}
}
