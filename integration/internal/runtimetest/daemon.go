// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/client"
	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nsaudit/nsaudit/integration/internal/reexec"
)

// daemon is one run of the containerd process.
type daemon struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed after the process was waited for
}

// Restart stops the daemon and starts it again. Shims and containers live on; connections break, and
// those of the clients come back by themselves.
func (c *Containerd) Restart(t testing.TB) {
	t.Helper()
	c.Stop(t)
	c.mustStart(t)
}

// Stop ends the daemon, and only the daemon: its shims and their containers live on.
func (c *Containerd) Stop(t testing.TB) {
	t.Helper()
	if c.daemon == nil {
		return
	}
	_ = c.client.Close()
	if err := c.daemon.cmd.Process.Signal(unix.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("stop containerd: %v", err)
	}
	select {
	case <-c.daemon.exited:
	case <-time.After(callTimeout):
		t.Fatalf("containerd %d does not heed SIGTERM", c.PID())
	}
	c.daemon, c.client = nil, nil
}

func (c *Containerd) mustStart(t testing.TB) {
	t.Helper()
	ctx, cancel := within(t, CRINamespace)
	defer cancel()
	if err := c.start(ctx); err != nil {
		t.Fatal(err)
	}
}

// start starts the daemon and returns when it serves.
func (c *Containerd) start(ctx context.Context) error {
	log, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cgroup, err := c.makeDaemonCgroup()
	if err != nil {
		return err
	}
	// The role enters the cgroup and becomes containerd, so that no child can be born outside.
	cmd := reexec.Command(roleEnterCgroup, cgroup, filepath.Join(c.binaries, "containerd"), "--config", c.configFile())
	cmd.Env = append(cmd.Env, "PATH="+c.binaries+":"+os.Getenv("PATH"))
	cmd.Dir = c.dir
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start containerd: %w", err)
	}
	d := &daemon{cmd: cmd, exited: make(chan struct{})}
	c.daemon = d
	go func() {
		defer close(d.exited)
		_ = cmd.Wait()
	}()
	return c.waitServing(ctx)
}

// waitServing waits until CRI says that it is ready for pods.
func (c *Containerd) waitServing(ctx context.Context) error {
	lastErr := errors.New("not asked yet")
	for lastErr != nil {
		select {
		case <-c.daemon.exited:
			return fmt.Errorf("containerd gave up: %v", c.daemon.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("containerd is not ready: %w", lastErr)
		case <-time.After(50 * time.Millisecond):
		}
		if lastErr = c.connect(); lastErr == nil {
			lastErr = c.ready(ctx)
		}
	}
	return nil
}

// ready asks CRI what it is not ready for.
func (c *Containerd) ready(ctx context.Context) error {
	response, err := c.Runtime().Status(ctx, &runtime.StatusRequest{})
	if err != nil {
		return err
	}
	for _, condition := range response.GetStatus().GetConditions() {
		required := condition.GetType() == runtime.RuntimeReady || condition.GetType() == runtime.NetworkReady
		if required && !condition.GetStatus() {
			return fmt.Errorf("%s: %s", condition.GetType(), condition.GetMessage())
		}
	}
	return nil
}

// connect makes the harness's client as soon as there is a socket.
func (c *Containerd) connect() error {
	if c.client != nil {
		return nil
	}
	// A client that is made before the socket is there would wait for its backoff.
	conn, err := net.Dial("unix", c.Address())
	if err != nil {
		return err
	}
	_ = conn.Close()
	c.client, err = client.New(c.Address())
	return err
}

func (c *Containerd) logFile() string { return filepath.Join(c.dir, "containerd.log") }

// dumpLogs shows the ends of the logs of containerd and of the containers.
func (c *Containerd) dumpLogs(t testing.TB) {
	t.Helper()
	const enough = 16 << 10
	logs, _ := filepath.Glob(filepath.Join(c.dir, "logs", "*"))
	for _, path := range append([]string{c.logFile()}, logs...) {
		text, err := os.ReadFile(path)
		if err != nil || len(text) == 0 {
			continue
		}
		if len(text) > enough {
			text = text[len(text)-enough:]
			text = text[bytes.IndexByte(text, '\n')+1:]
		}
		t.Logf("%s:\n%s", path, text)
	}
}
