package redis_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"photofinish/localdev/redis"
)

// realServer returns the path of redis-server. A run in CI without one is a
// broken run; a laptop may do without.
func realServer(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		t.Fatal("redis-server is not on PATH, and CI must have it")
	default:
		t.Skip("NOT TESTED: redis-server is not on PATH; install it (apt-get install redis-server, brew install redis)")
	}
	return ""
}

// start starts a server that is closed with the test.
func start(t *testing.T, o redis.Options) *redis.Server {
	t.Helper()
	s, err := redis.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func client(t *testing.T, s *redis.Server) *goredis.Client {
	t.Helper()
	o, err := goredis.ParseURL(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	c := goredis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// wantGone checks that a process is neither running nor waiting to be reaped.
func wantGone(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left in %s: %v, %v", dir, entries, err)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// onPath makes a directory with the given scripts the whole PATH. Without a "#!"
// line a script is the target of a link.
func onPath(t *testing.T, scripts map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, script := range scripts {
		path := filepath.Join(dir, name)
		var err error
		if strings.HasPrefix(script, "#!") {
			err = os.WriteFile(path, []byte(script), 0o755)
		} else {
			err = os.Symlink(script, path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return dir
}
