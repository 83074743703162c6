package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// pingTimeout is how long an external server may take to answer.
const pingTimeout = 5 * time.Second

// connect checks that an external server answers.
func connect(ctx context.Context, o Options) (*Server, error) {
	if o.Port != 0 {
		return nil, fmt.Errorf("%w: Port %d is set, but an external server has its own port", ErrOptions, o.Port)
	}
	client, url, err := parseExternal(o.Mode)
	if err != nil {
		return nil, err
	}
	host, port, err := splitAddr(client.Addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := ping(ctx, client); err != nil {
		return nil, err
	}
	return &Server{
		host: host,
		port: port,
		url:  url,
		kind: "external " + client.Addr,
		done: make(chan struct{}),
		stop: func(context.Context) error { return nil },
	}, nil
}

// parseExternal never quotes a URL, nor the error of parsing one: either may
// hold a password, whole or in part.
func parseExternal(mode string) (client *goredis.Options, url string, err error) {
	if strings.HasPrefix(mode, "redis://") || strings.HasPrefix(mode, "rediss://") {
		client, err := goredis.ParseURL(mode)
		if err != nil {
			return nil, "", fmt.Errorf("%w: Mode is not a URL of the form redis://USER:PASSWORD@HOST:PORT/DB; "+
				"special characters in the password must be percent-encoded", ErrOptions)
		}
		return client, mode, nil
	}
	if strings.ContainsAny(mode, "@/") || !strings.Contains(mode, ":") {
		if strings.ContainsAny(mode, "@:") {
			mode = "(not shown, it may hold a password)"
		}
		return nil, "", fmt.Errorf("%w: Mode %s is not %s, %s, %s, HOST:PORT or a redis:// URL",
			ErrOptions, mode, ModeAuto, ModeEmbedded, ModeServer)
	}
	return &goredis.Options{Addr: mode}, "redis://" + mode, nil
}

func splitAddr(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return "", 0, fmt.Errorf("%w: %q is not HOST:PORT", ErrOptions, addr)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("%w: the port of %q is not within 1 to 65535", ErrOptions, addr)
	}
	return host, port, nil
}

func ping(ctx context.Context, o *goredis.Options) error {
	conn, err := dial(ctx, o)
	if err == nil {
		client := newClient(o, conn)
		defer func() { _ = client.Close() }()
		err = client.Ping(ctx).Err()
	}
	var timeout net.Error
	switch {
	case err == nil:
		return nil
	case isAuthError(err):
		hint := "the address has no password"
		if o.Password != "" {
			hint = "the user or the password is wrong"
		}
		return fmt.Errorf("%w: %s: %s: %w", ErrAuth, o.Addr, hint, err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%w: %s: no answer in time: %w", ErrUnreachable, o.Addr, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnreachable, o.Addr, err)
}

// isAuthError knows the ways Redis and Valkey speak of credentials.
func isAuthError(err error) bool {
	text := err.Error()
	for _, sign := range []string{"NOAUTH", "WRONGPASS", "NOPERM", "invalid password", "called without any password"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}
