package fanout

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/telemetry"
)

// quick are settings with which what takes seconds in production takes
// milliseconds.
func quick() Settings {
	return Settings{
		Warehouses: []string{"main"}, Function: "inventory", Channel: "order_updates",
		Fanout: 3, FanoutMode: "race", InFlight: 4, BatchMax: 128,
		InvokeTimeout: patience, MaxDeliveries: 3,
		RedeliverAt: patience, BackoffBase: 20 * time.Millisecond, BackoffMax: 80 * time.Millisecond,
	}
}

// bridge is a bridge at work.
type bridge struct {
	log   *logs
	end   context.CancelFunc
	ended chan error
}

// start runs a bridge until stop is called, or the test ends.
func start(t *testing.T, rdb redis.UniversalClient, s Settings, c *contenders) *bridge {
	t.Helper()
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &bridge{log: &logs{}, end: cancel, ended: make(chan error, 1)}
	go func() {
		b.ended <- serve(ctx, rdb, c, s, b.log.logger())
		close(b.ended) // a second stop finds nil
	}()
	t.Cleanup(func() {
		b.stop(t)
		if t.Failed() {
			t.Logf("log of the bridge:\n%s", b.log.tail())
		}
	})
	return b
}

// stop tells the bridge to stop and waits until it has.
func (b *bridge) stop(t *testing.T) {
	t.Helper()
	b.end()
	select {
	case err := <-b.ended:
		if err != nil {
			t.Errorf("the bridge ended with %v", err)
		}
	case <-time.After(patience):
		t.Errorf("the bridge did not stop within %v", patience)
	}
}

// logs collects what a bridge logs.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) logger() *slog.Logger { return telemetry.New(l, "bridge", telemetry.Settings{}) }

type line map[string]any

// lines are the lines with a message.
func (l *logs) lines(t *testing.T, msg string) (found []line) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for text := range strings.Lines(l.buf.String()) {
		var one line
		if err := json.Unmarshal([]byte(text), &one); err != nil {
			t.Fatalf("a log line is not JSON: %v: %s", err, text)
		}
		if one["msg"] == msg {
			found = append(found, one)
		}
	}
	return found
}

func (l *logs) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.buf.Bytes()
	return string(text[max(0, len(text)-4000):])
}
