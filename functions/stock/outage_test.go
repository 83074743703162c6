package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/redistest"
)

func TestRedisAway(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redis.Client) {
		s, link := linked(t, server)
		s.do(t, receipt("001", goods("in-1", 5)))
		link.Cut()
		for _, r := range []request{receipt("001", goods("in-2", 5)), get("/inventory", ""), get("/inventory/001", "")} {
			refused(t, s.do(t, r), http.StatusServiceUnavailable, "", "repeat the request")
		}
		link.Mend(t)
		if a := s.do(t, receipt("001", goods("in-2", 5))); a.StatusCode != http.StatusCreated || a.Headers["Idempotent-Replayed"] != "" {
			t.Errorf("back again: %d %v %s", a.StatusCode, a.Headers, a.Body)
		}
		s.wantLevels(t, map[string]string{"001": "10"})
	})
}

// Packets are lost: nothing refuses, nothing answers.
func TestRedisSilent(t *testing.T) {
	t.Parallel()
	server := redistest.Server(t)
	for name, r := range map[string]request{"receive": receipt("001", goods("in-1", 5)), "list": get("/inventory", ""), "show": get("/inventory/001", "")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, link := linked(t, server)
			if err := s.rdb.Ping(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			link.Silence()
			a := s.doContext(ctx, t, r)
			if ctx.Err() != nil {
				t.Error("the answer came after the deadline of the invocation")
			}
			refused(t, a, http.StatusServiceUnavailable, "", "repeat the request")
		})
	}
}

func TestAFullRedis(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t, "--maxmemory", "3mb")
	s := newShop(t, rdb)
	s.do(t, receipt("001", goods("in-1", 5)))
	pad := strings.Repeat("x", 10_000)
	for i := 0; ; i++ {
		if err := rdb.Set(t.Context(), fmt.Sprint("pad-", i), pad, 0).Err(); err != nil {
			if !strings.HasPrefix(err.Error(), "OOM") || i == 0 {
				t.Fatalf("after %d: %v", i, err)
			}
			break
		}
	}
	// Room for a small receipt may come and go with the buffers of connections.
	if err := rdb.ConfigSet(t.Context(), "maxmemory", "2mb").Err(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		refused(t, s.do(t, receipt("001", goods("in-2", 1))), http.StatusServiceUnavailable, "", "repeat the request")
	}
	s.wantLevels(t, map[string]string{"001": "5"})
	if m := s.movements(t); len(m) != 1 {
		t.Errorf("half was written: %v", m)
	}
	if a := s.do(t, get("/inventory/001", "")); a.StatusCode != http.StatusOK || a.Body != `{"id":"001","onHand":5}`+"\n" {
		t.Errorf("reading: %d %s", a.StatusCode, a.Body)
	}
	if a := s.do(t, receipt("001", goods("in-1", 5))); a.StatusCode != http.StatusCreated || a.Headers["Idempotent-Replayed"] != "true" {
		t.Errorf("a replay: %d %v %s", a.StatusCode, a.Headers, a.Body)
	}
	if err := rdb.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if a := s.do(t, receipt("001", goods("in-2", 1))); a.StatusCode != http.StatusCreated || a.Headers["Idempotent-Replayed"] != "" {
		t.Errorf("with room again: %d %v %s", a.StatusCode, a.Headers, a.Body)
	}
	s.wantLevels(t, map[string]string{"001": "6"})
}

func TestHealth(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redis.Client) {
		s, link := linked(t, server)
		check := func(status int, want string) {
			t.Helper()
			if a := s.do(t, get("/healthz/stock", "")); a.StatusCode != status || a.Body != want+"\n" {
				t.Errorf("%d %s, want %d %s", a.StatusCode, a.Body, status, want)
			}
		}
		const fine, away = `{"redis":"ok","status":"ok"}`, `{"redis":"away","status":"redis cannot be reached"}`
		check(http.StatusOK, fine)
		link.Cut()
		check(http.StatusServiceUnavailable, away)
		link.Mend(t)
		check(http.StatusOK, fine)
		link.Silence()
		start := time.Now()
		check(http.StatusServiceUnavailable, away)
		if took := time.Since(start); took > 8*time.Second {
			t.Errorf("it took %v to say so", took)
		}
	})
}
