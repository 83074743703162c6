package redis_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"photofinish/localdev/redis"
)

func TestServerKilledByHand(t *testing.T) {
	t.Parallel()
	realServer(t)
	s := start(t, redis.Options{Mode: redis.ModeServer})
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	for range 2 { // before and after Close
		if err := s.Err(); !errors.Is(err, redis.ErrDied) || !strings.Contains(err.Error(), "signal: killed") {
			t.Errorf("Err() = %v", err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	wantGone(t, s.PID())
}

func TestImpatientClose(t *testing.T) {
	t.Parallel()
	realServer(t)
	s := start(t, redis.Options{Mode: redis.ModeServer})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	wantGone(t, s.PID())
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	realServer(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	mute := l.Addr().(*net.TCPAddr).Port
	foreign := start(t, redis.Options{Mode: redis.ModeServer}).Port() // answers PING just as ours would
	for _, mode := range []string{redis.ModeServer, redis.ModeEmbedded} {
		for _, port := range []int{mute, foreign} {
			_, err := redis.Start(t.Context(), redis.Options{Mode: mode, Port: port})
			if !errors.Is(err, redis.ErrPortTaken) || !strings.Contains(err.Error(), strconv.Itoa(port)) {
				t.Errorf("%s: err = %v", mode, err)
			}
		}
	}
}

func TestFixedPort(t *testing.T) {
	t.Parallel()
	realServer(t)
	for _, mode := range []string{redis.ModeServer, redis.ModeEmbedded} {
		again, port := startOnFreedPort(t, mode)
		if again.Port() != port {
			t.Errorf("%s: port %d, want %d", mode, again.Port(), port)
		}
		if err := client(t, again).Ping(t.Context()).Err(); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

// startOnFreedPort starts a server on a port that another one just left. Any
// program may take that port in between, so it tries a few times.
func startOnFreedPort(t *testing.T, mode string) (s *redis.Server, port int) {
	t.Helper()
	for attempt := 0; ; attempt++ {
		first := start(t, redis.Options{Mode: mode})
		if err := first.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		s, err := redis.Start(t.Context(), redis.Options{Mode: mode, Port: first.Port()})
		if errors.Is(err, redis.ErrPortTaken) && attempt < 5 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close(context.Background()) })
		return s, first.Port()
	}
}

// TestFreePortLostInARace: the port that was free a moment ago is taken when
// the server comes to listen, once.
func TestFreePortLostInARace(t *testing.T) {
	path := realServer(t)
	once := filepath.Join(t.TempDir(), "once")
	onPath(t, map[string]string{"redis-server": "#!/bin/sh\n" +
		"if [ ! -e " + once + " ]; then : > " + once + "; echo 'bind: Address already in use'; exit 1; fi\n" +
		"exec " + path + ` "$@"` + "\n"})
	s := start(t, redis.Options{Mode: redis.ModeServer})
	if err := client(t, s).Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}

func TestServerThatDoesNotStart(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	dir := onPath(t, map[string]string{"redis-server": "#!/bin/sh\necho some reason\nexit 3\n"})
	_, err := redis.Start(t.Context(), redis.Options{Mode: redis.ModeAuto})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{filepath.Join(dir, "redis-server"), "exit status 3", "some reason"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("err = %v, does not say %q", err, part)
		}
	}
	wantEmpty(t, tmp)
}

func TestServerThatDoesNotAnswer(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	onPath(t, map[string]string{"redis-server": "#!/bin/sh\necho $$ > " + pidFile + "\nexec /bin/sleep 100\n"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := redis.Start(ctx, redis.Options{Mode: redis.ModeServer})
		failed <- err
	}()
	pid := 0
	for deadline := time.Now().Add(10 * time.Second); pid == 0 && time.Now().Before(deadline); <-time.After(time.Millisecond) {
		if text, err := os.ReadFile(pidFile); err == nil {
			pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		}
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("err = %v", err)
	}
	if pid == 0 {
		t.Fatal("the server was never started")
	}
	wantGone(t, pid)
}

func TestNothingOnPath(t *testing.T) {
	onPath(t, nil)
	if _, err := redis.Start(t.Context(), redis.Options{Mode: redis.ModeServer}); !errors.Is(err, redis.ErrNoServer) {
		t.Errorf("err = %v", err)
	}
	if s := start(t, redis.Options{Mode: redis.ModeAuto}); !strings.HasPrefix(s.Kind(), "embedded ") {
		t.Errorf("kind %q", s.Kind())
	}
}

func TestValkeyOnPath(t *testing.T) {
	dir := onPath(t, map[string]string{"valkey-server": realServer(t)})
	s := start(t, redis.Options{})
	if want := filepath.Join(dir, "valkey-server"); !strings.HasPrefix(s.Kind(), "valkey-server ") || !strings.Contains(s.Kind(), want) {
		t.Errorf("kind %q", s.Kind())
	}
}
