// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// pipeListener hands out one connection that is already there, so that a test can have a
// clock of its own.
type pipeListener struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conn:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	close(l.closed)
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// servePipe runs a server that has this client only.
func servePipe(t *testing.T) (client net.Conn, stop func() error) {
	t.Helper()
	client, conn := net.Pipe()
	listener := &pipeListener{make(chan net.Conn, 1), make(chan struct{})}
	listener.conn <- conn
	server := New(Config{Metrics: http.NotFoundHandler(), Page: NewPage()})
	server.listeners = []net.Listener{listener}
	return client, serve(t, server)
}

// TestShutdownIsBounded has a client that does not read its answer: the server cuts it off
// after five seconds.
func TestShutdownIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, stop := servePipe(t)
		defer client.Close()
		if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		start := time.Now()
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
		if took := time.Since(start); took != shutdownTimeout {
			t.Errorf("it took %v, want %v", took, shutdownTimeout)
		}
	})
}

// TestSlowHeader has a client that never finishes its request.
func TestSlowHeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, stop := servePipe(t)
		defer client.Close()
		if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost:"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err := bufio.NewReader(client).ReadString('\n')
		if took := time.Since(start); err == nil || took != headerTimeout {
			t.Errorf("closed after %v with %v, want %v", took, err, headerTimeout)
		}
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}
