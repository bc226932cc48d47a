// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestPeerPID(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	// The kernel answers for the listener, who need not accept.
	pid, err := PeerPID(t.Context(), socket)
	if err != nil || pid != os.Getpid() {
		t.Errorf("PeerPID = %d, %v, want %d", pid, err, os.Getpid())
	}
	if pid, err := PeerPID(t.Context(), socket+"-missing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("PeerPID = %d, %v, want %v", pid, err, os.ErrNotExist)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if pid, err := PeerPID(ctx, socket); !errors.Is(err, context.Canceled) {
		t.Errorf("PeerPID = %d, %v, want %v", pid, err, context.Canceled)
	}
}
