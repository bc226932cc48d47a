// SPDX-License-Identifier: Apache-2.0

//go:build integration

// Package containerd_test runs the real nsaudit against a real containerd that has real
// pods and containers.
package containerd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// binEnv names an nsaudit to test instead of one that is built from this tree.
const binEnv = "NSAUDIT_BIN"

// scansEnv is how often TestShortContainers scans, where that is not the usual number.
const scansEnv = "NSAUDIT_SHORT_SCANS"

func TestMain(m *testing.M) {
	runtimetest.PlayRole()
	os.Exit(m.Run())
}

// nsaudit is the command under test.
type nsaudit struct {
	path string
	// args are given to each scan.
	args []string
}

// build returns the command that asks this containerd.
func build(t *testing.T, c *runtimetest.Containerd) nsaudit {
	t.Helper()
	path := os.Getenv(binEnv)
	if path == "" {
		path = filepath.Join(t.TempDir(), "nsaudit")
		build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/nsaudit/nsaudit/cmd/nsaudit")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build nsaudit: %v\n%s", err, output)
		}
	}
	return nsaudit{path, []string{"scan", "--containerd-address", c.Address()}}
}

// output is what one scan left behind.
type output struct {
	code     int
	out, err string
	took     time.Duration
}

// run runs a scan, as another command if change says so.
func (n nsaudit) run(t *testing.T, change func(*exec.Cmd), args ...string) output {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.path, append(slices.Clone(n.args), args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if change != nil {
		change(cmd)
	}
	start := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run nsaudit: %v", err)
	}
	return output{cmd.ProcessState.ExitCode(), out.String(), errs.String(), time.Since(start)}
}

// scan runs a scan that is to succeed and returns its document.
func (n nsaudit) scan(t *testing.T, args ...string) *v1alpha1.Scan {
	t.Helper()
	got := n.run(t, nil, append([]string{"-o", "json"}, args...)...)
	if got.code != 0 {
		t.Fatalf("nsaudit %v: exit code %d\n%s%s", args, got.code, got.err, got.out)
	}
	return decode(t, got.out)
}

func decode(t *testing.T, out string) *v1alpha1.Scan {
	t.Helper()
	scan := new(v1alpha1.Scan)
	if err := json.Unmarshal([]byte(out), scan); err != nil {
		t.Fatalf("decode the scan: %v\n%s", err, out)
	}
	return scan
}

// where names a container: by its pod, or by its containerd namespace.
func where(pod *v1alpha1.Pod, ref v1alpha1.ContainerRef) string {
	if pod == nil {
		return ref.RuntimeNamespace + "/" + ref.ID
	}
	return pod.Namespace + "/" + pod.Name + " " + ref.Name
}

// findings puts the findings into lines: container, check and declarer, and the reason if
// it isn't the one that these two imply. Containers that this containerd does not know are
// not the test's.
func findings(scan *v1alpha1.Scan) []string {
	lines := []string{}
	for _, f := range scan.Findings {
		if scan.Inventory.Source == "containerd" && f.Container.RuntimeNamespace == "" {
			continue
		}
		line := fmt.Sprintf("%s %s %s", where(f.Pod, f.Container), f.Check, f.DeclaredBy)
		if implied := strings.Contains(f.Reason, "Undeclared") != f.DeclaredBy.Declared(); !implied || strings.HasSuffix(f.Reason, "NotInEffect") {
			line += " " + f.Reason
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

func wantFindings(t *testing.T, scan *v1alpha1.Scan, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, findings(scan), cmpopts.EquateEmpty()); diff != "" {
		evidence, err := json.MarshalIndent(scan.Findings, "", " ")
		t.Errorf("findings (-want +got):\n%s\n%s %v", diff, evidence, err)
	}
}

// unknown returns what could not be seen. Of containers that this containerd does not know, the security context can't be
// judged.
func unknown(scan *v1alpha1.Scan) []v1alpha1.Unknown {
	return slices.DeleteFunc(slices.Clone(scan.Coverage.Unknown), func(u v1alpha1.Unknown) bool {
		return scan.Inventory.Source == "containerd" && strings.Contains(u.Reason, "containerd does not know this container")
	})
}

// wantAllSeen fails if anything is unknown.
func wantAllSeen(t *testing.T, scan *v1alpha1.Scan) {
	t.Helper()
	for _, u := range unknown(scan) {
		t.Errorf("unknown: %s: %s", u.Container, u.Reason)
	}
}

// finding returns the one finding of a check for a container.
func finding(t *testing.T, scan *v1alpha1.Scan, id string, check v1alpha1.Check) v1alpha1.Finding {
	t.Helper()
	var found []v1alpha1.Finding
	for _, f := range scan.Findings {
		if f.Container.ID == id && f.Check == check {
			found = append(found, f)
		}
	}
	if len(found) != 1 {
		t.Fatalf("container %s has %d findings of %s, want one: %v", id, len(found), check, findings(scan))
	}
	return found[0]
}
