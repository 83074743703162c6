package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/alicebob/miniredis/v2"
)

const embeddedLacks = "The embedded Redis keeps nothing on disk, has no FUNCTION, no CLIENT KILL and no cluster, " +
	"and runs scripts about 14 times slower than redis-server."

func startEmbedded(port int) (*Server, error) {
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true) // keys expire as time passes, not only when a test says so
	if err := m.StartAddr(net.JoinHostPort(loopback, strconv.Itoa(port))); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("%w: %s:%d", ErrPortTaken, loopback, port)
		}
		return nil, fmt.Errorf("redis: start the embedded server: %w", err)
	}
	listening, err := strconv.Atoi(m.Port())
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("redis: port of the embedded server: %w", err)
	}
	return &Server{
		host:  loopback,
		port:  listening,
		url:   localURL(listening),
		kind:  "embedded (" + strings.TrimSpace("miniredis "+miniredisVersion()) + ")",
		lacks: embeddedLacks,
		done:  make(chan struct{}),
		stop: func(context.Context) error {
			m.Close()
			return nil
		},
	}, nil
}

func localURL(port int) string {
	return "redis://" + net.JoinHostPort(loopback, strconv.Itoa(port))
}

// miniredisVersion is the version built into this program, "" if the build did
// not record it.
func miniredisVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/alicebob/miniredis/v2" {
			return strings.TrimPrefix(dep.Version, "v")
		}
	}
	return ""
}
