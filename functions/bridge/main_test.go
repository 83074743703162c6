package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/delivery"
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
		res, err := http.Get(url) //nolint:gosec,noctx // its own address
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
	if res, err := http.Get(url); err == nil { //nolint:gosec,noctx // its own address
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

// lambdaAPI is the Invoke API of Lambda: the first calls are throttled, the
// others go to race.
type lambdaAPI struct {
	race func(ctx context.Context, b delivery.Batch) (delivery.Answer, error)

	mu        sync.Mutex
	paths     map[string]int
	throttled int
}

const throttleFirst = 4

func (l *lambdaAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.paths[r.Method+" "+r.URL.Path]++
	throttle := l.throttled < throttleFirst
	if throttle {
		l.throttled++
	}
	l.mu.Unlock()
	if throttle {
		w.Header().Set("X-Amzn-ErrorType", "TooManyRequestsException")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`)
		return
	}
	var b delivery.Batch
	if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	out, err := lambdaAnswer(l.race(r.Context(), b))
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if out.FunctionError != nil {
		w.Header().Set("X-Amz-Function-Error", *out.FunctionError)
	}
	_, _ = w.Write(out.Payload)
}

// The program as it is run as a service: settings from the environment, the real
// client of Lambda, admission, health, and an end by SIGTERM that leaves nothing
// running. It is not parallel: signals and the environment are the process's.
func TestTheServiceFromStartToSIGTERM(t *testing.T) {
	rdb := redistest.Server(t)
	home := newShop(t, rdb, "main")
	north := newShop(t, rdb, "north")
	racer := home.racer()
	var crashed sync.Once
	api := &lambdaAPI{paths: map[string]int{}, race: func(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
		var err error
		crashed.Do(func() { err = crash{} })
		if err != nil {
			return delivery.Answer{}, err
		}
		return racer.race(ctx, b)
	}}
	server := httptest.NewServer(api)
	defer server.Close()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_LAMBDA": server.URL, "AWS_REGION": "eu-central-1",
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	out := &logs{}
	ended := make(chan error, 1)
	go func() {
		ended <- run([]string{
			"REDIS_ADDR=" + rdb.Options().Addr, "INVENTORY_FUNCTION=inventory", "WAREHOUSES=main,north", "ADMIT=true",
			"BACKOFF_BASE=20ms", "BACKOFF_MAX=80ms", "REDELIVER_AFTER=50ms", "HEALTH_ADDR=127.0.0.1:0", "MAX_DELIVERIES=3",
		}, out)
	}()
	defer func() {
		if t.Failed() {
			t.Logf("log:\n%s", out.tail())
		}
	}()
	until(t, "the bridge to be at work", func() bool {
		return len(out.lines(t, "bridge at work")) == 1 && len(out.lines(t, "health served")) == 1 && len(out.lines(t, "channel heard")) == 1
	})

	if !atWork() {
		t.Fatal("the goroutines of a bridge at work are not recognised")
	}
	orders, others := ids("order", 20), ids("north", 20)
	home.place(t, "001", orders...)
	north.place(t, "001", others...)
	publish(t, rdb, `{"id":"1719300000000","items":[{"id":"001","quantity":2}]}`, "xx")
	home.settled(t, append(orders, "1719300000000")...)
	north.settled(t, others...)
	home.empty(t)
	north.empty(t)
	home.buried(t, 0)
	north.buried(t, 0)

	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("run: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the bridge did not end")
	}
	if len(out.lines(t, "bridge stopped")) != 1 {
		t.Error("the end was not logged")
	}
	for _, s := range []*shop{home, north} {
		if cs := s.consumers(t); len(cs) != 0 {
			t.Errorf("consumers left in %s: %v", s.warehouse(), cs)
		}
	}
	api.mu.Lock()
	if len(api.paths) != 1 || api.paths["POST /2015-03-31/functions/inventory/invocations"] == 0 {
		t.Errorf("calls: %v", api.paths)
	}
	api.mu.Unlock()
	server.Close()
	until(t, "all goroutines of the bridge to end", func() bool { return !atWork() })
}

// atWork reports whether any goroutine is that of a bridge.
func atWork() bool {
	buf := make([]byte, 1<<22)
	stacks := string(buf[:runtime.Stack(buf, true)])
	return strings.Contains(stacks, "bridge.(*") || strings.Contains(stacks, "bridge.serve")
}
