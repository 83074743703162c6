package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/connect"
	"photofinish/shared/redistest"
)

// linked is a shop that a link connects to its Redis, with the client that the
// function has.
func linked(t *testing.T, server *redis.Client) (*shop, *redistest.Link) {
	t.Helper()
	link := redistest.NewLink(t, server)
	rdb, err := connect.Open(connect.Settings{Addr: link.Addr, Auth: "none"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	return newShop(t, rdb.(*redis.Client)), link
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redis.Client) {
		s, link := linked(t, server)
		s.place(t, "before")
		link.Cut()
		for _, r := range []request{post(article), get("/orders/before", ""), get("/orders/before", "wait=25s")} {
			refused(t, s.do(t, r), http.StatusServiceUnavailable, "", "repeat the request")
		}
		if !strings.Contains(s.logged.String(), `"level":"WARN","msg":"redis is not available"`) {
			t.Errorf("logged: %s", s.logged)
		}
		link.Mend(t)
		if a := s.do(t, post(article)); a.StatusCode != http.StatusCreated {
			t.Errorf("back again: %d %s", a.StatusCode, a.Body)
		}
		s.wantEntries(t, "before", "29")
	})
}

// The answer to a placed order is lost on its way; the client repeats it.
func TestARepetitionAfterALostAnswer(t *testing.T) {
	t.Parallel()
	server := redistest.Server(t)
	s, link := linked(t, server)
	link.Cut()
	refused(t, s.do(t, post(article)), http.StatusServiceUnavailable, "", "")
	past := newShop(t, server) // it had got through all the same
	past.do(t, post(article))
	link.Mend(t)
	if a := s.do(t, post(article)); a.StatusCode != http.StatusCreated || a.Headers["Idempotent-Replayed"] != "true" {
		t.Errorf("%d %v %s", a.StatusCode, a.Headers, a.Body)
	}
	s.wantEntries(t, "29")
}

// Packets are lost: nothing refuses, nothing answers.
func TestRedisSilent(t *testing.T) {
	t.Parallel()
	server := redistest.Server(t)
	for name, r := range map[string]request{"place": post(article), "show": get("/orders/29", ""), "wait": get("/orders/29", "wait=25s")} {
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
	s.place(t, "before")
	pad := strings.Repeat("x", 10_000)
	for i := 0; ; i++ {
		if err := rdb.Set(t.Context(), fmt.Sprint("pad-", i), pad, 0).Err(); err != nil {
			if !strings.HasPrefix(err.Error(), "OOM") || i == 0 {
				t.Fatalf("after %d: %v", i, err)
			}
			break
		}
	}
	// Room for a small order may come and go with the buffers of connections.
	if err := rdb.ConfigSet(t.Context(), "maxmemory", "2mb").Err(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		refused(t, s.do(t, post(article)), http.StatusServiceUnavailable, "", "repeat the request")
	}
	s.wantEntries(t, "before")
	if n := rdb.Exists(t.Context(), s.engine().Keys().Record("29")).Val(); n != 0 {
		t.Error("half of the order was written")
	}
	if a := s.do(t, get("/orders/before", "")); a.StatusCode != http.StatusOK || !strings.Contains(a.Body, `"status":"accepted"`) {
		t.Errorf("what was placed before: %d %s", a.StatusCode, a.Body)
	}
	refused(t, s.do(t, get("/orders/29", "")), http.StatusNotFound, "id", "29")
	// Sent again, it is answered from the record.
	if a := s.do(t, post(`{"orderId":"before","items":[{"id":"001","quantity":2}]}`)); a.StatusCode != http.StatusCreated || a.Headers["Idempotent-Replayed"] != "true" {
		t.Errorf("a replay: %d %s", a.StatusCode, a.Body)
	}
	if err := rdb.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if a := s.do(t, post(article)); a.StatusCode != http.StatusCreated || a.Headers["Idempotent-Replayed"] != "" {
		t.Errorf("with room again: %d %v %s", a.StatusCode, a.Headers, a.Body)
	}
	s.wantEntries(t, "before", "29")
}

// What no repetition mends is not said to be away.
func TestARedisWithSomethingElseInIt(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		if err := rdb.Set(t.Context(), s.engine().Keys().Record("29"), "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
		for _, r := range []request{post(article), get("/orders/29", "")} {
			refused(t, s.do(t, r), http.StatusInternalServerError, "", "could not be processed")
		}
		if !strings.Contains(s.logged.String(), `"level":"ERROR"`) || !strings.Contains(s.logged.String(), "WRONGTYPE") {
			t.Errorf("logged: %s", s.logged)
		}
		s.wantEntries(t)
	})
}

func TestHealth(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redis.Client) {
		s, link := linked(t, server)
		check := func(status int, want string) {
			t.Helper()
			a := s.do(t, get("/healthz", ""))
			if a.StatusCode != status || a.Body != want+"\n" {
				t.Errorf("%d %s, want %d %s", a.StatusCode, a.Body, status, want)
			}
		}
		const noBridge = `{"status":"no bridge is at work: orders are accepted and wait","redis":"ok","bridge":"away"}`
		const away = `{"status":"redis cannot be reached: orders are refused","redis":"away","bridge":"unknown"}`
		check(http.StatusServiceUnavailable, noBridge)
		beat := func(warehouse string) {
			t.Helper()
			if err := s.api.warehouses[warehouse].Queue("b").Beat(t.Context(), time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		beat("main")
		check(http.StatusServiceUnavailable, noBridge) // for the east
		beat("east")
		check(http.StatusOK, `{"status":"ok","redis":"ok","bridge":"ok"}`)
		link.Cut()
		check(http.StatusServiceUnavailable, away)
		link.Mend(t)
		check(http.StatusOK, `{"status":"ok","redis":"ok","bridge":"ok"}`)
		link.Silence()
		start := time.Now()
		check(http.StatusServiceUnavailable, away)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %v to say so", took)
		}
		link.Cut() // ends the silent connections
		link.Mend(t)
		if err := server.Del(t.Context(), s.api.warehouses["east"].Keys().Beat()).Err(); err != nil { // as when it has not been renewed
			t.Fatal(err)
		}
		check(http.StatusServiceUnavailable, noBridge)
	})
}
