package redis_test

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photofinish/localdev/redis"
)

func TestServer(t *testing.T) {
	path := realServer(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for _, mode := range []string{redis.ModeServer, redis.ModeAuto, ""} {
		s, err := redis.Start(t.Context(), redis.Options{Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		kind := regexp.MustCompile(`^redis-server \d+\.\d+\.\d+ \(` + regexp.QuoteMeta(path) + `\)$`)
		if !kind.MatchString(s.Kind()) || s.Lacks() != "" {
			t.Errorf("mode %q: kind %q, lacks %q", mode, s.Kind(), s.Lacks())
		}
		if want := net.JoinHostPort(s.Host(), strconv.Itoa(s.Port())); s.Host() != "127.0.0.1" || s.Addr() != want || s.URL() != "redis://"+want {
			t.Errorf("host %q, port %d, addr %q, url %q", s.Host(), s.Port(), s.Addr(), s.URL())
		}
		c := client(t, s)
		for name, want := range map[string]string{
			"save": "", "appendonly": "no", "maxmemory-policy": "noeviction", "bind": "127.0.0.1", "protected-mode": "yes", "daemonize": "no",
		} {
			got, err := c.ConfigGet(t.Context(), name).Result()
			if diff := cmp.Diff(map[string]string{name: want}, got); err != nil || diff != "" {
				t.Errorf("CONFIG GET %s: %v (-want +got):\n%s", name, err, diff)
			}
		}
		if isClosed(s.Done()) || s.Err() != nil {
			t.Errorf("running, but done: %v", s.Err())
		}
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
		if !isClosed(s.Done()) || s.Err() != nil {
			t.Errorf("after Close: done %v, err %v", isClosed(s.Done()), s.Err())
		}
		wantGone(t, s.PID())
		wantEmpty(t, tmp)
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("second Close: %v", err)
		}
	}
}

func TestServerUsesDir(t *testing.T) {
	t.Parallel()
	realServer(t)
	dir := filepath.Join(t.TempDir(), "new", "data")
	s := start(t, redis.Options{Mode: redis.ModeServer, Dir: dir})
	if err := client(t, s).Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "dump.rdb")); err != nil {
		t.Errorf("what was saved by hand is gone: %v", err)
	}
}

func TestTwoServersAtOnce(t *testing.T) {
	t.Parallel()
	realServer(t)
	for _, mode := range []string{redis.ModeServer, redis.ModeEmbedded} {
		a, b := start(t, redis.Options{Mode: mode}), start(t, redis.Options{Mode: mode})
		if err := client(t, a).Set(t.Context(), "k", "a", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if n, err := client(t, b).Exists(t.Context(), "k").Result(); err != nil || n != 0 {
			t.Errorf("%s: the other server has the key: %d, %v", mode, n, err)
		}
	}
}

// lines is a log handler's destination.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func TestOutputIsLogged(t *testing.T) {
	t.Parallel()
	realServer(t)
	var out lines
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := start(t, redis.Options{Mode: redis.ModeServer, Logger: logger})
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := out.buf.String() // Done is closed: nobody writes any more
	if !strings.Contains(text, "level=DEBUG") || !strings.Contains(text, "Ready to accept connections") {
		t.Errorf("log:\n%s", text)
	}
}
