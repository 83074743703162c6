// Package redistest gives tests a Redis of their own: a real redis-server, or
// the embedded one. Both listen on the loopback interface and end with the test.
package redistest

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Each runs a test on every backend: the embedded Redis and a real one.
func Each(t *testing.T, test func(t *testing.T, rdb *redis.Client)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { test(t, Embedded(t)) })
	t.Run("redis-server", func(t *testing.T) { test(t, Server(t)) })
}

// Embedded starts a Redis inside the test's process.
func Embedded(t testing.TB) *redis.Client {
	t.Helper()
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true)
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		t.Fatalf("start the embedded Redis: %v", err)
	}
	t.Cleanup(m.Close)
	return client(t, m.Addr())
}

// Server starts a redis-server or valkey-server with nothing in it, and further
// settings such as "--maxmemory", "2mb". Without either on the machine the test
// is skipped, but in CI it fails.
func Server(t testing.TB, settings ...string) *redis.Client {
	t.Helper()
	path := find()
	if path == "" {
		const missing = "NOT TESTED on a real Redis: neither redis-server nor valkey-server is on PATH (apt-get install redis-server, brew install redis)"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	// A free port can be taken by another before the server has it: try again.
	for range 5 {
		if addr := start(t, path, freePort(t), settings); addr != "" {
			return client(t, addr)
		}
	}
	t.Fatalf("%s did not start", path)
	return nil
}

func find() string {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func start(t testing.TB, path string, port int, settings []string) (addr string) {
	t.Helper()
	args := append([]string{
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", t.TempDir(),
		"--save", "", "--daemonize", "no", "--loglevel", "notice",
	}, settings...)
	cmd := exec.Command(path, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	ready := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "Ready to accept connections") {
				ready <- true
			}
		}
		ready <- false
	}()
	select {
	case ok := <-ready:
		if !ok {
			return ""
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("%s is not ready after 20 s", path)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func client(t testing.TB, addr string) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = rdb.Close() })
	if err := rdb.Ping(context.Background()).Err(); err != nil {
		t.Fatalf("ping %s: %v", addr, err)
	}
	return rdb
}
