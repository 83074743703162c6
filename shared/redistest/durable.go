package redistest

import (
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Process is a server whose process a test can kill and start again.
type Process struct{ server *server }

// Durable starts a server that has every write on disk before it answers, and
// gives a client of it. Without a redis-server the test is skipped, but in CI it
// fails.
func Durable(t testing.TB) (*redis.Client, *Process) {
	t.Helper()
	s, err := newHost(t).launch("--appendonly", "yes", "--appendfsync", "always")
	if err != nil {
		t.Fatal(err)
	}
	return client(t, s.addr), &Process{s}
}

// Kill ends the process with SIGKILL, in the midst of whatever it does.
func (p *Process) Kill() { p.server.kill() }

// Start runs it again after Kill, on the same port and with what is on its disk.
// It returns when the server takes connections.
func (p *Process) Start() error {
	var err error
	for range 5 { // a connection of another process may have the port for a moment
		if err = p.server.start(); !errors.Is(err, errEnded) {
			return err
		}
	}
	return err
}
