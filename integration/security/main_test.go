// SPDX-License-Identifier: Apache-2.0

//go:build integration

// Package security_test runs the real nsaudit against a real containerd that has pods with many security contexts, and
// processes that have others than their pods asked for.
package security_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/imagearchive"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
	"github.com/nsaudit/nsaudit/nsinspect"
)

func TestMain(m *testing.M) {
	runtimetest.PlayRole()
	os.Exit(m.Run())
}

// Images beside the harness's own. Those of users have a user of the image who is in a group of its /etc/group, and
// programs that make whoever starts them root, or give a capability.
const (
	usersImage    = "docker.io/test/users:latest"
	programsImage = "docker.io/test/programs:latest"
)

// programsEnv names the directory with the root file system of real programs.
const programsEnv = "NSAUDIT_PROGRAMS_DIR"

// node is one containerd and the nsaudit that looks at it.
type node struct {
	*runtimetest.Containerd

	t       *testing.T // of the whole test: what it starts ends with it
	nsaudit string
	fs      *nsinspect.FS
}

func startNode(t *testing.T) *node {
	t.Helper()
	root := os.Getenv(programsEnv)
	if root == "" {
		t.Fatalf("%s is not set: run `make integration`, which makes what it names", programsEnv)
	}
	n := &node{Containerd: runtimetest.Start(t), t: t, nsaudit: filepath.Join(t.TempDir(), "nsaudit")}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", n.nsaudit, "github.com/nsaudit/nsaudit/cmd/nsaudit")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build nsaudit: %v\n%s", err, output)
	}
	fs, err := nsinspect.NewFS(nsinspect.DefaultRoot)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fs.Close() })
	n.fs = fs
	n.ImportImage(t, runtimetest.CRINamespace, images(t, filepath.Join(root, "root.tar"))...)
	return n
}

// old reports whether the containerd is one that knows neither user namespaces of pods nor supplementalGroupsPolicy.
func (n *node) old() bool { return strings.HasPrefix(n.Version(), "1.6.") }

func images(t *testing.T, root string) []runtimetest.Image {
	t.Helper()
	const netRaw = 13 // CAP_NET_RAW, which runtimes give by default
	return []runtimetest.Image{
		{
			Name: usersImage, Command: []string{"/bin/sleep", "9999999"}, User: "405",
			Entries: []imagearchive.Entry{
				runtimetest.File("/etc/group", "root:x:0:root\nwheel:x:10:root,guest\nusers:x:100:games\n"),
				runtimetest.SetuidProgram(t, "/bin/suid-act"),
				runtimetest.CapableProgram(t, "/bin/cap-act", netRaw),
			},
		},
		{Name: programsImage, Root: root, Command: []string{"sleep", "infinity"}, Entries: programFiles()},
	}
}

// scan looks at the node once.
func (n *node) scan(t *testing.T, args ...string) (*v1alpha1.Scan, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.nsaudit, append([]string{"scan", "--containerd-address", n.Address(), "-o", "json"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	start := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("nsaudit %v: %v\n%s%s", args, err, errs.String(), out.String())
	}
	took := time.Since(start)
	scan := new(v1alpha1.Scan)
	if err := json.Unmarshal(out.Bytes(), scan); err != nil {
		t.Fatalf("decode the scan: %v\n%s", err, out.String())
	}
	return scan, took
}
