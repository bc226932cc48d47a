// SPDX-License-Identifier: Apache-2.0

//go:build integration

// Package namespaces_test looks at real processes in real namespaces and cgroups, without
// any container runtime: what containers are made of, and what they could be made into.
package namespaces_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/scan"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/integration/internal/reexec"
	"github.com/nsaudit/nsaudit/nsinspect"
)

func TestMain(m *testing.M) {
	reexec.Play(roles())
	goleak.VerifyTestMain(m)
}

// openProcfs opens this machine's procfs.
func openProcfs(t *testing.T) *nsinspect.FS {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these tests make namespaces and cgroups, which takes root. Run: sudo env \"PATH=$PATH\" make integration-namespaces")
	}
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fs.Close() })
	return fs
}

// hosts are the processes that may stand for the host. Pid 1 of some machines is protected
// even from root.
func hosts() []nsinspect.HostCandidate {
	return []nsinspect.HostCandidate{
		{Reference: nsinspect.ByPID1, PID: 1},
		{Reference: nsinspect.ByKthreadd, PID: 2},
	}
}

// hostNamespaces returns the host's namespaces, which the tests must be in themselves.
func hostNamespaces(t *testing.T, fs *nsinspect.FS) nsinspect.Namespaces {
	t.Helper()
	host, err := fs.Host(nil, hosts()...)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	own := namespacesOf(t, fs, os.Getpid())
	for _, kind := range []nsinspect.Kind{nsinspect.Net, nsinspect.PID, nsinspect.IPC} {
		if idOf(t, own, kind) != idOf(t, host.Ref().Namespaces, kind) {
			t.Fatalf("this test is not in the host's %s namespace: run it on the host, or with --net=host --pid=host --ipc=host", kind)
		}
	}
	return host.Ref().Namespaces
}

// openProcess opens one process for the time of the test.
func openProcess(t *testing.T, fs *nsinspect.FS, pid int) *nsinspect.Process {
	t.Helper()
	process, err := fs.Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Close)
	return process
}

func namespacesOf(t *testing.T, fs *nsinspect.FS, pid int) nsinspect.Namespaces {
	t.Helper()
	process, err := fs.Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	namespaces, err := process.Namespaces()
	if err != nil {
		t.Fatal(err)
	}
	return namespaces
}

func idOf(t *testing.T, namespaces nsinspect.Namespaces, kind nsinspect.Kind) nsinspect.ID {
	t.Helper()
	id, ok := namespaces.Get(kind)
	if !ok {
		t.Fatalf("there is no %s namespace in %+v", kind, namespaces)
	}
	return id
}

// surveyOf surveys a process that must be there.
func surveyOf(t *testing.T, fs *nsinspect.FS, pid int, kinds ...nsinspect.Kind) nsinspect.Survey {
	t.Helper()
	survey, err := openProcess(t, fs, pid).Survey(t.Context(), kinds)
	if err != nil {
		t.Fatal(err)
	}
	return survey
}

// settle is long for a process that dies, and short for a test.
const settle = 20 * time.Millisecond

func scanConfig(fs *nsinspect.FS) scan.Config {
	return scan.Config{Procfs: fs, Hosts: hosts(), Node: "test", Settle: settle}
}

// takeScan takes a snapshot of the whole machine. Others may run containers on it meanwhile:
// look at what is the test's own.
func takeScan(t *testing.T, config scan.Config) *snapshot.Snapshot {
	t.Helper()
	snap, err := scan.New(config).Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// containerIn returns the container of this id, or nil.
func containerIn(snap *snapshot.Snapshot, id string) *snapshot.Container {
	for i := range snap.Containers {
		if snap.Containers[i].ID == id {
			return &snap.Containers[i]
		}
	}
	return nil
}

// findingsOf judges the snapshot and returns what concerns this container, by check.
func findingsOf(t *testing.T, snap *snapshot.Snapshot, id string) map[audit.Check]audit.Finding {
	t.Helper()
	found := make(map[audit.Check]audit.Finding)
	for _, finding := range audit.Judge(snap).Findings {
		if finding.Container.ID != id {
			continue
		}
		if _, twice := found[finding.Check]; twice {
			t.Errorf("%s was found twice of %s", finding.Check, id)
		}
		found[finding.Check] = finding
	}
	return found
}

// evidenceOf returns the evidence of a finding about a namespace: none if there is no finding.
func evidenceOf(t *testing.T, finding audit.Finding) *audit.NamespaceEvidence {
	t.Helper()
	evidence, ok := finding.Evidence.(*audit.NamespaceEvidence)
	if !ok {
		t.Errorf("finding %+v has no evidence of a namespace", finding)
		return new(audit.NamespaceEvidence)
	}
	return evidence
}

// nsPath is the file of a process's namespace.
func nsPath(pid int, kind string) string {
	return nsinspect.DefaultRoot + "/" + strconv.Itoa(pid) + "/ns/" + kind
}

// kernelLimit is long for a change that the kernel makes on its own.
const kernelLimit = 5 * time.Second
