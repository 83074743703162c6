package console_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/localdev/console"
)

// counter is a Redis that answers nothing, and counts how often it is asked.
type counter struct{ asked atomic.Int64 }

func (c *counter) DialHook(next redis.DialHook) redis.DialHook { return next }
func (c *counter) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(context.Context, redis.Cmder) error { c.asked.Add(1); return nil }
}
func (c *counter) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { c.asked.Add(1); return nil }
}

// stream takes what is written to a subscriber.
type stream struct {
	*httptest.ResponseRecorder
	mu   sync.Mutex
	text strings.Builder
}

func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *stream) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.text.String(), what)
}

func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := &counter{}
		rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:0"})
		defer rdb.Close()
		rdb.AddHook(asked)
		runs := 0
		c, err := console.New(console.Config{
			Redis: rdb, Warehouses: []string{"main"},
			Environments: func() []console.Environment { // always something new
				runs++
				return []console.Environment{{ID: "e", Invocations: runs}}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()

		time.Sleep(time.Minute)
		if n := asked.asked.Load(); n != 0 || runs != 0 {
			t.Errorf("with nobody watching, Redis was asked %d times and the environments %d times", n, runs)
		}

		ctx, cancel := context.WithCancel(t.Context())
		var streams [3]*stream
		var watching sync.WaitGroup
		for i := range streams {
			streams[i] = &stream{ResponseRecorder: httptest.NewRecorder()}
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/api/events", nil)
			watching.Go(func() { c.Handler().ServeHTTP(streams[i], r) })
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := asked.asked.Load(); n < 35 || n > 42 {
			t.Errorf("Redis was asked %d times in 10 s of watching, want about 40", n)
		}
		for _, s := range streams {
			if n := s.count("event: state\n"); n < 35 || n > 50 {
				t.Errorf("a subscriber was told the state %d times in 10 s, want 5 a second at most", n)
			}
		}
		// Requests by the hundred do not make it more.
		before := asked.asked.Load()
		for range 100 {
			c.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "http://127.0.0.1/api/state", nil))
		}
		if n := asked.asked.Load() - before; n > 1 {
			t.Errorf("100 requests at once asked Redis %d times", n)
		}
		cancel()
		watching.Wait()

		before = asked.asked.Load()
		time.Sleep(time.Minute)
		if n := asked.asked.Load() - before; n != 0 {
			t.Errorf("with everybody gone, Redis was asked %d times", n)
		}
	})
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:0"})
		defer rdb.Close()
		rdb.AddHook(&counter{})
		c, err := console.New(console.Config{Redis: rdb, Warehouses: []string{"main"}})
		if err != nil {
			t.Fatal(err)
		}
		s := &stream{ResponseRecorder: httptest.NewRecorder()}
		var watching sync.WaitGroup
		watching.Go(func() {
			c.Handler().ServeHTTP(s, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/api/events", nil))
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := s.count("event: state\n"); n != 1 {
			t.Errorf("the state was told %d times, though nothing changed", n)
		}
		if n := s.count("\n: still here\n"); n < 3 || n > 4 {
			t.Errorf("%d heartbeats in a minute, want one each 15 s", n)
		}
		c.Close()
		watching.Wait()
	})
}

// stuck is the connection of a subscriber who does not read: a write waits until
// its deadline.
type stuck struct {
	*httptest.ResponseRecorder
	changed  chan struct{} // a deadline was set
	mu       sync.Mutex
	deadline time.Time
}

func (s *stuck) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	s.deadline = t
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return nil
}

func (s *stuck) Write([]byte) (int, error) {
	for {
		s.mu.Lock()
		left := time.Until(s.deadline)
		s.mu.Unlock()
		if left <= 0 {
			return 0, os.ErrDeadlineExceeded
		}
		select {
		case <-time.After(left):
		case <-s.changed:
		}
	}
}

func TestStuckSubscriber(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		close time.Duration // when the console is closed
		want  time.Duration // how long the subscriber stays
	}{
		{"is dropped", time.Hour, 5 * time.Second},
		{"does not hold up Close", time.Second, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:0"})
				defer rdb.Close()
				rdb.AddHook(&counter{})
				c, err := console.New(console.Config{Redis: rdb, Warehouses: []string{"main"}})
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				var stayed time.Duration
				var watching sync.WaitGroup
				watching.Go(func() {
					w := &stuck{ResponseRecorder: httptest.NewRecorder(), changed: make(chan struct{}, 1)}
					c.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/api/events", nil))
					stayed = time.Since(start)
				})
				time.Sleep(test.close)
				c.Close()
				watching.Wait()
				if stayed != test.want {
					t.Errorf("the subscriber stayed for %v, want %v", stayed, test.want)
				}
			})
		})
	}
}
