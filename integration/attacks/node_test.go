// SPDX-License-Identifier: Apache-2.0

//go:build integration

package attacks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// binEnv names an nsaudit to test instead of one that is built from this tree.
const binEnv = "NSAUDIT_BIN"

// node is one containerd and the nsaudit that looks at it.
type node struct {
	*runtimetest.Containerd

	t       *testing.T // of the whole suite: what it starts ends with it
	nsaudit string
	victim  runtimetest.Container
	// victimCgroup is that of the victim, as the file systems of cgroups name it.
	victimCgroup string

	mu    sync.Mutex
	stops []func() // end what goes on beside the scans
}

// stop ends what goes on beside the scans. The containerd is needed for that.
func (n *node) stop() {
	for _, stop := range n.stops {
		stop()
	}
}

func startNode(t *testing.T) *node {
	t.Helper()
	n := &node{t: t, nsaudit: os.Getenv(binEnv)}
	if n.nsaudit == "" {
		n.nsaudit = filepath.Join(t.TempDir(), "nsaudit")
		build := exec.CommandContext(t.Context(), "go", "build", "-o", n.nsaudit, "github.com/nsaudit/nsaudit/cmd/nsaudit")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build nsaudit: %v\n%s", err, output)
		}
	}
	n.Containerd = runtimetest.Start(t)
	// The first container of a namespace brings the image there, which parallel ones would all do.
	n.victim = n.RunContainer(t, namespace, "victim")
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(n.victim.PID), "cgroup"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	n.victimCgroup = strings.SplitN(first, ":", 3)[2]
	return n
}

// scan looks at the node once, as anybody would.
func (n *node) scan(t *testing.T) (*v1alpha1.Scan, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.nsaudit, "scan", "--containerd-address", n.Address(), "-o", "json")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	scan := new(v1alpha1.Scan)
	if err := json.Unmarshal(out.Bytes(), scan); err != nil {
		t.Fatalf("nsaudit: %v, %s", err, errs.String())
	}
	if err != nil {
		t.Errorf("nsaudit: %v, %s", err, errs.String())
	}
	return scan, took
}
