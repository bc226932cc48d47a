// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"google.golang.org/grpc"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// DirEnv names the directory with containerd, its shim, runc and, below cni, the CNI plugins.
const DirEnv = "NSAUDIT_CONTAINERD_DIR"

// CRINamespace is the containerd namespace that pods live in.
const CRINamespace = "k8s.io"

// callTimeout bounds everything that is asked of containerd. It is generous: in an emulated machine,
// a pod takes ten seconds.
const callTimeout = 2 * time.Minute

// Containerd is a running containerd. Its methods are for the goroutine of the test that owns it; parallel tests may run
// pods.
type Containerd struct {
	binaries string // directory of DirEnv
	name     string // of the temporary directory and of the cgroup
	dir      string
	version  string

	daemon *daemon        // nil while stopped
	client *client.Client // the harness's own, nil while stopped; tests get theirs from Client
	ranges atomic.Uint32  // ranges of user ids that pods have
}

// Start starts a containerd that serves CRI and holds the images of Images. The end of the test stops
// it and removes whatever it started.
func Start(t testing.TB) *Containerd {
	t.Helper()
	c := &Containerd{binaries: requirements(t)}
	sweepStale(t)
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d_", namePrefix, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	c.dir, c.name = dir, filepath.Base(dir)
	// The root of a user namespace is nobody here, and has to find its root filesystem.
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	restoreForwarding := keepForwarding(t)
	t.Cleanup(func() {
		c.close(t)
		restoreForwarding()
	})

	c.version = c.readVersion(t)
	c.writeConfig(t)
	c.mustStart(t)
	c.writeLayer(t)
	c.ImportImage(t, CRINamespace, Images()...)
	return c
}

// requirements returns the directory of the binaries, or ends the test with what to do about it.
func requirements(t testing.TB) string {
	t.Helper()
	dir := os.Getenv(DirEnv)
	if dir == "" {
		t.Fatalf("%s is not set: run `make integration`, which builds a containerd and sets it", DirEnv)
	}
	if os.Geteuid() != 0 {
		t.Fatal("containers need root: run `make integration` as root")
	}
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "runc", "cni/ptp", "cni/host-local", "cni/loopback"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Fatalf("%s is incomplete: %v: remove it and run `make integration`", DirEnv, err)
		}
	}
	requireStatic(t)
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Address returns the absolute path of the socket.
func (c *Containerd) Address() string { return filepath.Join(c.dir, "c.sock") }

// Version returns the daemon's version as it prints it, such as 2.4.2+unknown or 1.6.20~ds1.
func (c *Containerd) Version() string { return c.version }

// PID returns the daemon's process ID, or 0 while it is stopped. Its namespaces are the host's.
func (c *Containerd) PID() int {
	if c.daemon == nil {
		return 0
	}
	return c.daemon.cmd.Process.Pid
}

// Client returns a new client that lives as long as the test.
func (c *Containerd) Client(t testing.TB) *client.Client {
	t.Helper()
	cl, err := client.New(c.Address())
	if err != nil {
		t.Fatalf("connect to %s: %v", c.Address(), err)
	}
	t.Cleanup(func() { _ = cl.Close() })
	return cl
}

// Runtime returns the CRI service, for what RunPod has no field for.
func (c *Containerd) Runtime() runtime.RuntimeServiceClient {
	return runtime.NewRuntimeServiceClient(c.conn())
}

func (c *Containerd) conn() grpc.ClientConnInterface {
	// The client promises nothing about the type, so that it may change.
	return c.client.Conn().(grpc.ClientConnInterface)
}

// major returns 1 or 2.
func (c *Containerd) major() string {
	major, _, _ := strings.Cut(strings.TrimPrefix(c.version, "v"), ".")
	return major
}

func (c *Containerd) readVersion(t testing.TB) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(c.binaries, "containerd"), "--version").Output()
	if err != nil {
		t.Fatalf("ask containerd for its version: %v", err)
	}
	// The line is: containerd MODULE VERSION REVISION.
	fields := strings.Fields(string(out))
	if len(fields) < 3 {
		t.Fatalf("containerd --version says %q", out)
	}
	return fields[2]
}

// within returns a context for calls in a containerd namespace.
func within(t testing.TB, namespace string) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(namespaces.WithNamespace(t.Context(), namespace), callTimeout)
}
