// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFindSockets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	socket := listen(t)
	absent := filepath.Join(dir, "absent")

	got, err := FindSockets([]string{absent, file, socket})
	if err != nil || len(got) != 1 || got[0] != socket {
		t.Errorf("FindSockets = %q, %v; want the socket", got, err)
	}
	_, err = FindSockets([]string{absent, absent + "2"})
	if !errors.Is(err, ErrNoSocket) || !strings.Contains(err.Error(), absent+"2 (no such file or directory)") {
		t.Errorf("FindSockets of absent paths: %v; want ErrNoSocket that names each", err)
	}
	_, err = FindSockets([]string{absent, file})
	if err == nil || errors.Is(err, ErrNoSocket) || !strings.Contains(err.Error(), file+" (not a socket)") {
		t.Errorf("FindSockets of a file: %v; want that it is no socket", err)
	}
}

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{"/run/c.sock": "/run/c.sock", "unix:///run/c.sock": "/run/c.sock", "c.sock": "", "tcp://host:1": ""} {
		got, err := ParseAddress(address)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("ParseAddress(%q) = %q, %v; want %q", address, got, err, want)
		}
	}
}

// TestConnectToSilence has a daemon that accepts and never answers.
func TestConnectToSilence(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := Connect(ctx, listen(t))
	if err == nil || !strings.Contains(err.Error(), "connect to containerd at") {
		t.Errorf("Connect to a socket that hangs: %v", err)
	}
}

// listen opens a socket that no process accepts from. Its path is short: sun_path has 108 bytes.
func listen(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return path
}
