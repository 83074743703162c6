// Package redis gives the emulator a Redis to work with: a redis-server or
// valkey-server it starts and supervises, one embedded in this program, or one
// that runs elsewhere.
package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// The modes, besides the address of a server that runs elsewhere.
const (
	// ModeAuto supervises the server found on PATH, else embeds one.
	ModeAuto = "auto"
	// ModeEmbedded runs Redis inside this program.
	ModeEmbedded = "embedded"
	// ModeServer supervises the server found on PATH and fails without one.
	ModeServer = "server"
)

const (
	loopback = "127.0.0.1"

	// startTimeout bounds Start when its context does not.
	startTimeout = 15 * time.Second
	// stopGrace is how long a supervised server may take to end by itself. It
	// has nothing to save, so it needs a few milliseconds.
	stopGrace = 5 * time.Second
)

var (
	// ErrOptions is wrapped by Start for options that cannot be right.
	ErrOptions = errors.New("redis: invalid options")
	// ErrNoServer is returned in ModeServer when PATH holds no server.
	ErrNoServer = errors.New("redis: neither redis-server nor valkey-server is on PATH; install one " +
		"(Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis) or use the mode " + ModeEmbedded)
	// ErrPortTaken is wrapped by Start when Options.Port is in use.
	ErrPortTaken = errors.New("redis: port is taken")
	// ErrUnreachable is wrapped by Start when an external server does not answer
	// as Redis does.
	ErrUnreachable = errors.New("redis: server not reachable")
	// ErrAuth is wrapped by Start when an external server wants another user,
	// another password, or one at all.
	ErrAuth = errors.New("redis: server refused the credentials")
	// ErrDied is wrapped by Server.Err.
	ErrDied = errors.New("redis: server ended by itself")
)

// Options say which Redis to start.
type Options struct {
	// Mode is ModeAuto (also if empty), ModeEmbedded, ModeServer, or an external
	// server as HOST:PORT or as a redis:// or rediss:// URL.
	Mode string
	// Port to listen on at 127.0.0.1; 0 takes any free one. It must be 0 for an
	// external server.
	Port int
	// Dir is the working directory of a supervised server; it is created if
	// missing. Nothing is saved there, but a dump.rdb found there is loaded.
	// Empty takes a temporary one and removes it at Close.
	Dir string
	// Logger gets a supervised server's output at debug level; may be nil.
	Logger *slog.Logger
}

// Server is a Redis that answers. Its methods are safe for concurrent use.
type Server struct {
	host  string
	port  int
	url   string
	kind  string
	lacks string
	pid   int
	done  <-chan struct{}
	ended func() error // why a supervised server ended; called after done
	stop  func(context.Context) error

	mu        sync.Mutex
	closed    bool
	closeErr  error
	closeOnce sync.Once
}

// Start starts a Redis, or connects to one, and returns once it answers. ctx
// bounds the start only. The errors are the package's sentinels, the system's,
// or say how a server ended and what it printed last; none contains a password.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Port < 0 || o.Port > 65535 {
		return nil, fmt.Errorf("%w: Port %d is not within 0 to 65535", ErrOptions, o.Port)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	switch o.Mode {
	case ModeEmbedded:
		return startEmbedded(o.Port)
	case ModeServer:
		path, ok := findServer()
		if !ok {
			return nil, ErrNoServer
		}
		return startSupervised(ctx, path, o)
	case ModeAuto, "":
		if path, ok := findServer(); ok {
			return startSupervised(ctx, path, o)
		}
		return startEmbedded(o.Port)
	}
	return connect(ctx, o)
}

func findServer() (path string, ok bool) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// Addr is HOST:PORT.
func (s *Server) Addr() string { return net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

// Host is the server's host, without the port.
func (s *Server) Host() string { return s.host }

// Port is the server's TCP port.
func (s *Server) Port() int { return s.port }

// URL is everything a client needs to connect. For an external server it may
// hold a password: hand it on, but do not print it; print Kind.
func (s *Server) URL() string { return s.url }

// Kind describes the server to people: "redis-server 7.0.15
// (/usr/bin/redis-server)", "embedded (miniredis 2.40.0)", "external
// 127.0.0.1:6379".
func (s *Server) Kind() string { return s.kind }

// Lacks says in one sentence what the server cannot do that Redis can; it is
// empty for a real one.
func (s *Server) Lacks() string { return s.lacks }

// PID is the process id of a supervised server, 0 for the others.
func (s *Server) PID() int { return s.pid }

// Done is closed when a supervised server has ended, by itself or by Close. It
// is never closed for the others.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err says, once Done is closed, why a supervised server ended: nil after
// Close, else an ErrDied.
func (s *Server) Err() error {
	select {
	case <-s.done:
	default:
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	return s.ended()
}

// Close stops the server and removes what Start created; an external server is
// left alone. When ctx ends, a supervised server is killed at once. Further
// calls wait for the first and return the same.
func (s *Server) Close(ctx context.Context) error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		select {
		case <-s.done: // it died before: Err keeps saying so
		default:
			s.closed = true
		}
		s.mu.Unlock()
		s.closeErr = s.stop(ctx)
	})
	return s.closeErr
}
