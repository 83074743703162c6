package redis_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"photofinish/localdev/redis"
)

func TestExternal(t *testing.T) {
	t.Parallel()
	realServer(t)
	theirs := start(t, redis.Options{Mode: redis.ModeServer})
	for _, mode := range []string{theirs.Addr(), "redis://" + theirs.Addr(), "redis://" + theirs.Addr() + "/3"} {
		s := start(t, redis.Options{Mode: mode})
		if s.Kind() != "external "+theirs.Addr() || s.Addr() != theirs.Addr() || s.Lacks() != "" || s.PID() != 0 {
			t.Errorf("kind %q, addr %q, lacks %q, pid %d", s.Kind(), s.Addr(), s.Lacks(), s.PID())
		}
		if want := "redis://" + strings.TrimPrefix(mode, "redis://"); s.URL() != want {
			t.Errorf("url %q, want %q", s.URL(), want)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := client(t, theirs).Ping(t.Context()).Err(); err != nil {
			t.Errorf("Close stopped a server it did not start: %v", err)
		}
	}
}

func TestExternalCredentials(t *testing.T) {
	t.Parallel()
	realServer(t)
	const password, wrong = "open-sesame", "close-sesame"
	theirs := start(t, redis.Options{Mode: redis.ModeServer})
	admin := client(t, theirs)
	if err := admin.ConfigSet(t.Context(), "requirepass", password).Err(); err != nil {
		t.Fatal(err)
	}
	good := "redis://:" + password + "@" + theirs.Addr()
	if s := start(t, redis.Options{Mode: good}); s.URL() != good || strings.Contains(s.Kind(), "sesame") {
		t.Errorf("url %q, kind %q", s.URL(), s.Kind())
	} else if err := client(t, s).Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
	for mode, says := range map[string]string{
		theirs.Addr():                                   "no password",
		"redis://" + theirs.Addr():                      "no password",
		"redis://:" + wrong + "@" + theirs.Addr():       "wrong",
		"redis://bob:" + wrong + "@" + theirs.Addr():    "wrong",
		"redis://bob:" + password + "@" + theirs.Addr(): "wrong",
	} {
		_, err := redis.Start(t.Context(), redis.Options{Mode: mode})
		if !errors.Is(err, redis.ErrAuth) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), theirs.Addr()) {
			t.Errorf("%s: err = %v, want ErrAuth that says %q and the address", mode, err, says)
		}
		if err != nil && strings.Contains(err.Error(), "sesame") {
			t.Errorf("the error holds the password: %v", err)
		}
	}
	// A password for a server that has none.
	open := start(t, redis.Options{Mode: redis.ModeServer})
	if _, err := redis.Start(t.Context(), redis.Options{Mode: "redis://bob:" + wrong + "@" + open.Addr()}); !errors.Is(err, redis.ErrAuth) {
		t.Errorf("err = %v", err)
	}
}

func TestExternalNotReachable(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mute.Close() }()
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()

	tests := []struct{ name, mode, says string }{
		{"refused", boundPort(t), "connection refused"},
		{"mute", mute.Addr().String(), "no answer in time"},
		{"not Redis", strings.TrimPrefix(web.URL, "http://"), ""},
		{"not TLS", "rediss://:sesame@" + mute.Addr().String(), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			_, err := redis.Start(ctx, redis.Options{Mode: tt.mode})
			if !errors.Is(err, redis.ErrUnreachable) || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("err = %v, want ErrUnreachable that says %q", err, tt.says)
			}
			if addr := tt.mode[strings.LastIndex(tt.mode, "@")+1:]; !strings.Contains(err.Error(), addr) || strings.Contains(err.Error(), "sesame") {
				t.Errorf("err = %v", err)
			}
		})
	}
}

// boundPort is an address where nobody listens, and nobody else can either.
func boundPort(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	addr, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(addr.(*syscall.SockaddrInet4).Port))
}

func TestOptionsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		options redis.Options
		says    string
	}{
		{"unknown mode", redis.Options{Mode: "memcached"}, "memcached"},
		{"another scheme", redis.Options{Mode: "http://:sesame@h:1"}, "redis:// URL"},
		{"no scheme", redis.Options{Mode: ":sesame@h:1"}, "redis:// URL"},
		{"unescaped password", redis.Options{Mode: "redis://:sesame/x@h:1"}, "percent-encoded"},
		{"bad escape", redis.Options{Mode: "redis://:sesame%zz@h:1"}, "percent-encoded"},
		{"bad database", redis.Options{Mode: "redis://:sesame@h:1/x"}, "URL"},
		{"no host", redis.Options{Mode: ":6379"}, "HOST:PORT"},
		{"no port", redis.Options{Mode: "localhost:"}, "port"},
		{"port too large", redis.Options{Mode: "localhost:65536"}, "port"},
		{"named port", redis.Options{Mode: "localhost:redis"}, "port"},
		{"port of an external server", redis.Options{Mode: "localhost:6379", Port: 1}, "Port 1"},
		{"negative port", redis.Options{Port: -1}, "Port -1"},
		{"port beyond", redis.Options{Mode: redis.ModeEmbedded, Port: 65536}, "Port 65536"},
	}
	for _, tt := range tests {
		_, err := redis.Start(t.Context(), tt.options)
		if !errors.Is(err, redis.ErrOptions) || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: err = %v, want ErrOptions that says %q", tt.name, err, tt.says)
		}
	}
}
