package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"photofinish/localdev/process"
)

const (
	// portAttempts is how often to look for a free port: another program may
	// take it before the server does.
	portAttempts = 10
	// pollInterval is how often to ask a starting server whether it answers.
	pollInterval = 5 * time.Millisecond
	// askTimeout is how long one such question may take.
	askTimeout = 250 * time.Millisecond
)

// startSupervised runs the server at path as a child process.
func startSupervised(ctx context.Context, path string, o Options) (*Server, error) {
	dir, removeDir, err := workDir(o.Dir)
	if err != nil {
		return nil, err
	}
	s, err := startOnPort(ctx, path, dir, o)
	if err != nil {
		return nil, errors.Join(err, removeDir())
	}
	stop := s.stop
	s.stop = func(ctx context.Context) error { return errors.Join(stop(ctx), removeDir()) }
	return s, nil
}

// workDir returns an absolute path: the server changes to it.
func workDir(dir string) (abs string, remove func() error, err error) {
	if dir == "" {
		dir, err = os.MkdirTemp("", "redis-")
		if err != nil {
			return "", nil, fmt.Errorf("redis: data directory: %w", err)
		}
		return dir, func() error { return os.RemoveAll(dir) }, nil
	}
	if abs, err = filepath.Abs(dir); err == nil {
		err = os.MkdirAll(abs, 0o700)
	}
	if err != nil {
		return "", nil, fmt.Errorf("redis: data directory: %w", err)
	}
	return abs, func() error { return nil }, nil
}

func startOnPort(ctx context.Context, path, dir string, o Options) (*Server, error) {
	if o.Port != 0 {
		return launch(ctx, path, dir, o.Port, o.Logger)
	}
	var err error
	for range portAttempts {
		var port int
		if port, err = freePort(ctx); err != nil {
			return nil, err
		}
		var s *Server
		if s, err = launch(ctx, path, dir, port, o.Logger); !errors.Is(err, ErrPortTaken) {
			return s, err
		}
	}
	return nil, fmt.Errorf("redis: no free port in %d attempts: %w", portAttempts, err)
}

// freePort finds a port by listening: Redis takes 0 to mean "no TCP at all".
func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return 0, fmt.Errorf("redis: looking for a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// launch starts the server and waits until it answers.
func launch(ctx context.Context, path, dir string, port int, logger *slog.Logger) (*Server, error) {
	var out output
	keep := func(line []byte) {
		out.add(string(line))
		logger.Debug("redis: output", "line", string(line))
	}
	p, err := process.Start(process.Spec{
		Path: path,
		Args: []string{
			"--bind", loopback, "--port", strconv.Itoa(port), "--protected-mode", "yes", "--daemonize", "no",
			"--dir", dir, "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction",
		},
		Dir:    dir,
		Stdout: keep,
		Stderr: keep,
	})
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	name := filepath.Base(path)
	version, err := awaitAnswer(ctx, p, port)
	if err != nil {
		err = errors.Join(err, p.Stop(context.WithoutCancel(ctx), 0))
		if out.contains("Address already in use") {
			return nil, fmt.Errorf("%w: %s:%d", ErrPortTaken, loopback, port)
		}
		return nil, fmt.Errorf("redis: start %s: %w%s", path, err, out.tail())
	}
	return &Server{
		host: loopback,
		port: port,
		url:  localURL(port),
		kind: fmt.Sprintf("%s %s (%s)", name, version, path),
		pid:  p.PID(),
		done: p.Done(),
		ended: func() error {
			return fmt.Errorf("%w: %s: %s%s", ErrDied, name, p.ExitText(), out.tail())
		},
		stop: func(ctx context.Context) error { return p.Stop(ctx, stopGrace) },
	}, nil
}

var (
	errExited  = errors.New("it ended before it answered")
	errForeign = errors.New("another Redis answers on the port")
)

// awaitAnswer waits until the child itself answers, and returns its version.
func awaitAnswer(ctx context.Context, p *process.Process, port int) (version string, err error) {
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		var asked error
		if version, asked = askVersion(ctx, port, p.PID()); asked == nil {
			return version, nil
		}
		select {
		case <-p.Done(): // all its output has arrived too
			return "", fmt.Errorf("%w: %s", errExited, p.ExitText())
		case <-ctx.Done():
			return "", fmt.Errorf("it does not answer: %w (last: %w)", ctx.Err(), asked)
		case <-poll.C:
		}
	}
}

// askVersion fails while the server loads or another process owns the port: on
// a port that is taken, whoever took it may well be a Redis.
func askVersion(ctx context.Context, port, pid int) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	o := &goredis.Options{Addr: net.JoinHostPort(loopback, strconv.Itoa(port)), Protocol: 2}
	conn, err := dial(ctx, o)
	if err != nil {
		return "", err
	}
	client := newClient(o, conn)
	defer func() { _ = client.Close() }()
	if err := client.Ping(ctx).Err(); err != nil {
		return "", err
	}
	text, err := client.Info(ctx, "server").Result()
	if err != nil {
		return "", err
	}
	info := parseInfo(text)
	if info["process_id"] != strconv.Itoa(pid) {
		return "", errForeign
	}
	if v := info["valkey_version"]; v != "" { // Valkey's redis_version is the Redis it is compatible with
		return v, nil
	}
	return info["redis_version"], nil
}

func parseInfo(text string) map[string]string {
	fields := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}
