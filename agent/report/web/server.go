// SPDX-License-Identifier: Apache-2.0

// Package web serves what the agent knows over HTTP: metrics for Prometheus, probes for the
// kubelet, and a page for people. It only shows what others have seen; no request starts a
// scan.
package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nsaudit/nsaudit/agent/logkey"
)

// Caps on what a client can hold of the server.
const (
	headerTimeout   = 5 * time.Second
	readTimeout     = 10 * time.Second
	writeTimeout    = 30 * time.Second
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 5 * time.Second
	maxHeader       = 16 << 10
)

// errNotListening says that Serve came before Listen.
var errNotListening = errors.New("serve HTTP: no address to listen on yet")

// Config is what a Server works with.
type Config struct {
	// Addresses are where to listen, such as ":9808"; port 0 takes a free one.
	Addresses []string
	// Metrics serves /metrics, and Page serves /.
	Metrics, Page http.Handler
	// Started is closed once the first scan has ended: /startupz waits for it.
	Started <-chan struct{}
	// Live are the checks of /livez, and Ready those of /readyz.
	Live, Ready []Check
	// Logger is for errors of connections; nil for none.
	Logger *slog.Logger
}

// Server is the agent's HTTP server.
type Server struct {
	addresses []string
	logger    *slog.Logger
	server    *http.Server
	listeners []net.Listener
}

// New returns a server that holds no resources until Listen.
func New(config Config) *Server {
	logger := cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	return &Server{
		addresses: config.Addresses,
		logger:    logger,
		server: &http.Server{
			Handler:           newHandler(config),
			ReadHeaderTimeout: headerTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeader,
			ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		},
	}
}

// newHandler routes the requests: GET and HEAD of known paths.
func newHandler(config Config) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", config.Metrics)
	mux.Handle("GET /startupz", startup(config.Started))
	mux.Handle("GET /livez", health("livez", config.Live))
	mux.Handle("GET /readyz", health("readyz", config.Ready))
	mux.Handle("GET /style.css", style())
	mux.Handle("GET /{$}", config.Page)
	return guard(mux)
}

// guard lets a browser do nothing with an answer but show it.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// Listen binds the addresses, so that one that is taken is known before the agent starts.
func (s *Server) Listen(ctx context.Context) error {
	for _, address := range s.addresses {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			err = fmt.Errorf("serve HTTP on %q: %w: choose another address with --listen-address", address, err)
			return errors.Join(err, s.closeListeners())
		}
		s.listeners = append(s.listeners, listener)
	}
	return nil
}

func (s *Server) closeListeners() error {
	var errs []error
	for _, listener := range s.listeners {
		errs = append(errs, listener.Close())
	}
	s.listeners = nil
	return errors.Join(errs...)
}

// Addresses returns where the server listens, with the ports that it has; before Listen they
// are Config.Addresses.
func (s *Server) Addresses() []string {
	if s.listeners == nil {
		return s.addresses
	}
	addresses := make([]string, len(s.listeners))
	for i, listener := range s.listeners {
		addresses[i] = listener.Addr().String()
	}
	return addresses
}

// Serve answers requests until the context ends, then lets those that are under way end
// within five seconds. The error is for a server that could not go on.
func (s *Server) Serve(ctx context.Context) error {
	if s.listeners == nil {
		return errNotListening
	}
	group, ctx := errgroup.WithContext(ctx)
	s.server.BaseContext = func(net.Listener) context.Context { return ctx } // Requests that wait end with the server.
	for _, listener := range s.listeners {
		group.Go(func() error {
			if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve HTTP on %s: %w", listener.Addr(), err)
			}
			return nil
		})
	}
	<-ctx.Done() // The caller's end, or the first listener's.
	s.stop(context.WithoutCancel(ctx))
	return group.Wait()
}

// stop ends the server: in good order, or else at once.
func (s *Server) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.logger.Warn("Cut off requests that did not end", slog.Any(logkey.Error, err))
		_ = s.server.Close() // They are lost anyway.
	}
}
