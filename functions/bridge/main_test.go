package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/redistest"
)

func TestSettingsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ variable, value, want string }{
		{"INVENTORY_FUNCTION", "", "INVENTORY_FUNCTION: is empty"},
		{"REDIS_ADDR", "", "REDIS_ADDR: is empty"},
		{"FANOUT", "0", "FANOUT: must be 1 to 100"},
		{"FANOUT", "101", "FANOUT: must be 1 to 100"},
		{"FANOUT", "three", "FANOUT: "},
		{"FANOUT_MODE", "hope", "FANOUT_MODE: must be race or hedge"},
		{"IN_FLIGHT", "0", "IN_FLIGHT: must be 1 to 1000"},
		{"IN_FLIGHT", "1001", "IN_FLIGHT: must be 1 to 1000"},
		{"BATCH_MAX", "0", "BATCH_MAX: must be 1 to 1000"},
		{"BATCH_MAX", "1001", "BATCH_MAX: must be 1 to 1000"},
		{"INVOKE_TIMEOUT", "0s", "INVOKE_TIMEOUT: must be over 0s"},
		{"MAX_DELIVERIES", "0", "MAX_DELIVERIES: must be 1 or more"},
		{"REDELIVER_AFTER", "0s", "REDELIVER_AFTER: must be over 0s"},
		{"BACKOFF_BASE", "0s", "BACKOFF_BASE and BACKOFF_MAX: "},
		{"BACKOFF_MAX", "1ms", "BACKOFF_BASE and BACKOFF_MAX: "},
		{"ADMIT", "perhaps", "ADMIT: "},
		{"WAREHOUSES", "main,{x}", `WAREHOUSES: "{x}" is not`},
		{"WAREHOUSES", "main, north", `WAREHOUSES: " north" is not`},
		{"WAREHOUSES", "main,", `WAREHOUSES: "" is not`},
		{"WAREHOUSES", "main,north,main", "WAREHOUSES: main is named twice"},
		{"REDIS_ADDR", "nowhere", "REDIS_ADDR: "},
		{"HEALTH_ADDR", "256.0.0.1:1", "HEALTH_ADDR: "},
	} {
		var out logs
		err := run([]string{"REDIS_ADDR=127.0.0.1:1", "INVENTORY_FUNCTION=f", tt.variable + "=" + tt.value}, &out)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s=%s: %v, want an error with %q", tt.variable, tt.value, err, tt.want)
		}
	}
	if err := run([]string{"REDIS_ADDR=127.0.0.1:1"}, io.Discard); err == nil || !strings.Contains(err.Error(), "INVENTORY_FUNCTION: is not set") {
		t.Errorf("without INVENTORY_FUNCTION: %v", err)
	}
	if err := quick().check(); err != nil {
		t.Errorf("sound settings: %v", err)
	}
}

func TestAShiftEndsInTimeToDrain(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	until := func(d time.Duration) context.Context {
		ctx, cancel := context.WithDeadline(context.Background(), now.Add(d))
		t.Cleanup(cancel)
		return ctx
	}
	end, err := shiftEnd(until(15*time.Minute), now)
	if want := now.Add(15*time.Minute - 28*time.Second); err != nil || !end.Equal(want) {
		t.Errorf("a shift of 15 minutes ends at %v, %v, want %v", end, err, want)
	}
	if end, err := shiftEnd(until(29*time.Second), now); err != nil || !end.Equal(now.Add(time.Second)) {
		t.Errorf("a shift of 29 s ends at %v, %v", end, err)
	}
	for name, ctx := range map[string]context.Context{"timeout": until(28 * time.Second), "deadline": context.Background()} {
		if _, err := shiftEnd(ctx, now); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want an error about the %s", err, name)
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	server := redistest.Server(t)
	link := redistest.NewLink(t, server)
	link.Cut()
	rdb := redis.NewClient(&redis.Options{Addr: link.Addr, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = rdb.Close() })
	newShop(t, server, "main")
	s := quick()
	s.HealthAddr = "127.0.0.1:0"
	c, _ := contend(s, nil)
	b := start(t, rdb, s, c)
	until(t, "health to be served", func() bool { return len(b.log.lines(t, "health served")) == 1 })
	url := fmt.Sprintf("http://%s/healthz", b.log.lines(t, "health served")[0]["addr"])
	get := func() (int, string) {
		t.Helper()
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	if code, body := get(); code != http.StatusServiceUnavailable || !strings.Contains(body, "main") {
		t.Errorf("with Redis away from the start: %d %s", code, body)
	}
	link.Mend(t)
	until(t, "the bridge to be healthy", func() bool { code, _ := get(); return code == http.StatusOK })
	b.stop(t)
	if res, err := http.Get(url); err == nil {
		_ = res.Body.Close()
		t.Error("health is served after the end")
	}
}

func TestALaneIsQuietFromItsLastSignOfLife(t *testing.T) {
	t.Parallel()
	l := newLane(newShop(t, redistest.Embedded(t), "main").engine, "me", quick(), nil, nil, (&logs{}).logger())
	if l.quiet() < beatTTL {
		t.Error("a lane that never gave a sign counts as alive")
	}
	l.beaten = time.Now()
	if l.quiet() > beatTTL {
		t.Error("a lane that just gave one counts as dead")
	}
}
