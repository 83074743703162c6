package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// startTimeout is how long a server may take until it is ready.
const startTimeout = 20 * time.Second

// host starts servers for a test, and ends them with it.
type host struct {
	path string // of redis-server or valkey-server
	dir  string // each server has a directory in it

	mu      sync.Mutex
	servers []*server
	closed  bool
}

// newHost looks for a server on the machine. Without one the test is skipped,
// but in CI it fails.
func newHost(t testing.TB) *host {
	t.Helper()
	path := find()
	if path == "" {
		const missing = "NOT TESTED on a real Redis: neither redis-server nor valkey-server is on PATH (apt-get install redis-server, brew install redis)"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	h := &host{path: path, dir: t.TempDir()}
	t.Cleanup(h.close)
	return h
}

func find() string {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// launch starts a server with nothing in it, on a free port, and waits until it
// is ready.
func (h *host) launch(settings ...string) (*server, error) {
	dir, err := os.MkdirTemp(h.dir, "server")
	if err != nil {
		return nil, err
	}
	// A free port can be taken by another before the server has it: try again.
	for range 5 {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s := &server{
			path: h.path,
			addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
			args: append([]string{
				"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
				"--save", "", "--daemonize", "no", "--loglevel", "notice",
			}, settings...),
		}
		err = s.start()
		if err == nil {
			return s, h.keep(s)
		}
		if !errors.Is(err, errEnded) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("redistest: %s does not start", h.path)
}

// keep remembers a server that is to end with the test.
func (h *host) keep(s *server) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		s.kill()
		return errors.New("redistest: the test is over")
	}
	h.servers = append(h.servers, s)
	return nil
}

func (h *host) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, s := range h.servers {
		s.kill()
	}
}

// server is the process of one Redis.
type server struct {
	path string
	args []string
	addr string

	mu  sync.Mutex
	cmd *exec.Cmd // nil while it does not run
}

var errEnded = errors.New("redistest: the server ended before it was ready")

// start runs the process, in its old directory and on its old port if it ran
// before, and waits until it takes connections.
func (s *server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cmd := exec.Command(s.path, s.args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("redistest: start %s: %w", s.path, err)
	}
	ready := make(chan bool, 1)
	go func() { // to the end: a server whose output nobody reads would stop
		defer close(ready)
		said := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if !said && strings.Contains(lines.Text(), "Ready to accept connections") {
				said = true
				ready <- true
			}
		}
	}()
	err = fmt.Errorf("redistest: %s is not ready after %v", s.path, startTimeout)
	select {
	case ok := <-ready:
		if ok {
			s.cmd = cmd
			return nil
		}
		err = errEnded
	case <-time.After(startTimeout):
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return err
}

// kill ends the process with SIGKILL, and returns when it is gone.
func (s *server) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// freePort is a port that nobody listens on, as low as the bus of a cluster
// needs it: that has the port 10000 above it, and there it is free as well.
func freePort() (int, error) {
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		free := port+10000 < 1<<16
		if free {
			bus, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+10000)))
			if free = err == nil; free {
				_ = bus.Close()
			}
		}
		_ = l.Close()
		if free {
			return port, nil
		}
	}
	return 0, errors.New("redistest: no free port with its bus port free as well")
}
