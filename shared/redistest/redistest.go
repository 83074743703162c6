// Package redistest gives tests a Redis of their own: the embedded one, a real
// redis-server, a cluster, a primary with its replica, or a server that can be
// killed and started again. All listen on the loopback interface and end with
// the test.
package redistest

import (
	"context"
	"testing"

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
	p, err := newHost(t).launch(settings...)
	if err != nil {
		t.Fatal(err)
	}
	return client(t, p.addr)
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
