package fanout

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"photofinish/shared/config"
	"photofinish/shared/delivery"
	"photofinish/shared/redistest"
)

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

// The bridge as a service runs it: settings from the environment, the real client
// of Lambda, admission, health, and an end that leaves nothing running. It is not
// parallel: the environment is the process's.
func TestTheServiceFromStartToEnd(t *testing.T) {
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
	settings, err := config.Load[Settings]([]string{
		"REDIS_ADDR=" + rdb.Options().Addr, "INVENTORY_FUNCTION=inventory", "WAREHOUSES=main,north", "ADMIT=true",
		"BACKOFF_BASE=20ms", "BACKOFF_MAX=80ms", "REDELIVER_AFTER=50ms", "HEALTH_ADDR=127.0.0.1:0", "MAX_DELIVERIES=3",
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, settings, out, out.logger()) }()
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

	end()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the bridge ended with %v", err)
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
	return strings.Contains(stacks, "fanout.(*") || strings.Contains(stacks, "fanout.serve")
}
