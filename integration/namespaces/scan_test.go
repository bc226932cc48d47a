// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/report/table"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1/convert"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// secondLook is what the scanner says before it looks again at what was not declared.
const secondLook = "look again at what was not declared"

// A runtime's own process is in the container's cgroup for a moment before it leaves the
// host's namespaces. That is no sharing.
func TestTransientSharing(t *testing.T) {
	fs := openProcfs(t)
	hostNamespaces(t, fs)
	becomeNamed(t, "runc")
	for _, h := range hierarchies(t) {
		t.Run(h.name, func(t *testing.T) {
			leavingID, leavingDir := h.container(t)
			endingID, endingDir := h.container(t)
			stayingID, stayingDir := h.container(t)
			leaving := launch(t, launchOptions{
				cgroup: leavingDir, flags: unix.CLONE_NEWPID,
				role: role{Do: "become late", Unshare: unix.CLONE_NEWNET | unix.CLONE_NEWIPC, Then: &role{Do: "block"}},
			})
			ending := launch(t, launchOptions{cgroup: endingDir, role: role{Do: "exit late"}})
			staying := launch(t, launchOptions{cgroup: stayingDir, role: role{Do: "block"}})
			for _, p := range []*launched{leaving, ending, staying} {
				p.ready()
			}
			config := scanConfig(fs)
			var stages []string
			config.Progress = func(stage string) {
				if stages = append(stages, stage); stage != secondLook {
					return
				}
				leaving.send()
				leaving.ready()
				ending.send()
				ending.end()
			}
			snap := takeScan(t, config)
			if !slices.Contains(stages, secondLook) {
				t.Fatalf("there was no second look, only %q", stages)
			}
			if snap.Coverage.Transient < 2 {
				t.Errorf("%d processes were transient, want those that left and that ended", snap.Coverage.Transient)
			}
			for id, want := range map[string]map[audit.Check]string{
				leavingID: undeclared(), endingID: undeclared(), stayingID: undeclared(),
			} {
				if diff := cmp.Diff(want, reasonsOf(t, snap, id)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
			// It may be a runtime that is slow: it is not known what becomes of its process.
			container := containerIn(snap, stayingID)
			if container == nil || !slices.ContainsFunc(container.Unread.Gaps, func(gap snapshot.Gap) bool { return gap.Cause == snapshot.CauseUnsettled }) {
				t.Errorf("container %+v, want it unsettled", container)
			}
			if container := containerIn(snap, endingID); container != nil {
				t.Errorf("the container that ended is still there: %+v", container)
			}
			container = containerIn(snap, leavingID)
			if container == nil || len(container.Processes) != 1 {
				t.Fatalf("container %+v, want its process", container)
			}
			if diff := cmp.Diff(namespacesOf(t, fs, leaving.pid), everyKind(t, fs, leaving.pid, container.Processes[0])); diff != "" {
				t.Errorf("the second look was not recorded -want +got:\n%s", diff)
			}
		})
	}
}

// everyKind completes what a scan recorded of a process by the kinds that it does not judge.
func everyKind(t *testing.T, fs *nsinspect.FS, pid int, process snapshot.Process) nsinspect.Namespaces {
	t.Helper()
	all := namespacesOf(t, fs, pid)
	for _, kind := range []nsinspect.Kind{nsinspect.Net, nsinspect.PID, nsinspect.IPC} {
		all.Set(kind, idOf(t, process.Groups[0].Namespaces, kind))
	}
	return all
}

// Processes that die during a scan are normal: they leave neither an error nor a gap.
func TestForkStorm(t *testing.T) {
	fs := openProcfs(t)
	id, dir := hierarchies(t)[0].container(t)
	p := launch(t, launchOptions{role: role{Do: "storm", N: 8}, flags: unix.CLONE_NEWNET, cgroup: dir})
	p.ready()
	vanished, scans := 0, 0
	config := scanConfig(fs)
	config.Settle = time.Millisecond
	for end := time.Now().Add(stormTime); time.Now().Before(end); scans++ {
		snap := takeScan(t, config)
		vanished += snap.Coverage.Vanished
		if snap.Coverage.Denied > 0 || len(snap.Coverage.Gaps) > 0 {
			t.Fatalf("coverage %+v", snap.Coverage)
		}
		container := containerIn(snap, id)
		if container == nil || len(container.Unread.Gaps) > 0 {
			t.Fatalf("container %+v", container)
		}
		want := undeclared(audit.HostPID, audit.HostIPC)
		if diff := cmp.Diff(want, reasonsOf(t, snap, id)); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	}
	t.Logf("%d processes vanished during %d scans", vanished, scans)
	if vanished == 0 {
		t.Error("no process vanished: the storm proves nothing")
	}
}

// A zombie stays in its cgroup on v2, but is in no namespace any more.
func TestZombieInContainer(t *testing.T) {
	fs := openProcfs(t)
	for _, h := range hierarchies(t) {
		t.Run(h.name, func(t *testing.T) {
			id, dir := h.container(t)
			p := launch(t, launchOptions{role: role{Do: "zombie"}, flags: unix.CLONE_NEWNET, cgroup: dir})
			p.ready()
			snap := takeScan(t, scanConfig(fs))
			container := containerIn(snap, id)
			if container == nil || len(container.Processes) != 1 || container.Processes[0].PID != p.pid || len(container.Unread.Gaps) > 0 {
				t.Errorf("container %+v, want one with process %d only", container, p.pid)
			}
		})
	}
}

// A process chooses its name; a report must not let it choose what a terminal does.
func TestHostileName(t *testing.T) {
	fs := openProcfs(t)
	id, dir := hierarchies(t)[0].container(t)
	const name = "a\n\x1b[2J\u202e) Z"
	launch(t, launchOptions{role: role{Do: "block", Command: name}, cgroup: dir}).ready()
	snap := takeScan(t, scanConfig(fs))
	if got := evidenceOf(t, findingsOf(t, snap, id)[audit.HostPID]).Processes; len(got) != 1 || got[0].Command != name {
		t.Fatalf("evidence %+v, want the name %q as it is", got, name)
	}
	document := convert.FromResult(audit.Judge(snap), convert.Filter{})
	var asJSON, asYAML, asTable bytes.Buffer
	for _, err := range []error{document.JSON(&asJSON), document.YAML(&asYAML), table.Write(&asTable, document, table.Options{Wide: true})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for format, output := range map[string]string{"JSON": asJSON.String(), "YAML": asYAML.String(), "table": asTable.String()} {
		if strings.ContainsAny(output, "\x1b\u202e") || strings.Contains(output, "a\n) Z") {
			t.Errorf("the %s lets control characters through:\n%q", format, output)
		}
		if !strings.Contains(output, `[2J`) {
			t.Errorf("the %s does not name the process", format)
		}
	}
	var decoded v1alpha1.Scan
	if err := json.Unmarshal(asJSON.Bytes(), &decoded); err != nil {
		t.Fatal(err)
	}
	for _, finding := range decoded.Findings {
		if finding.Container.ID != id {
			continue
		}
		if got, want := finding.Evidence.Processes[0].Command, `a\n\x1b[2J\u202e) Z`; got != want {
			t.Errorf("JSON names %q, want %q", got, want)
		}
	}
}

// A scan gives back what it opened, the handles of suspects included.
func TestScansLeakNoDescriptors(t *testing.T) {
	fs := openProcfs(t)
	_, dir := hierarchies(t)[0].container(t)
	launch(t, launchOptions{role: role{Do: "threads", N: 20, Unshare: unix.CLONE_NEWNET}, cgroup: dir}).ready()
	config := scanConfig(fs)
	config.Settle = time.Millisecond
	takeScan(t, config) // Whatever is opened once is open now.
	before := descriptors(t)
	for range 50 {
		takeScan(t, config)
	}
	if after := descriptors(t); !slices.Equal(before, after) {
		t.Errorf("open before: %q\nopen after:  %q", before, after)
	}
}

func descriptors(t *testing.T) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, link := range links {
		// The one that the listing itself used is gone.
		if target, err := os.Readlink(link); err == nil {
			targets = append(targets, target)
		}
	}
	return targets
}
