package redis_test

import (
	"errors"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"photofinish/localdev/redis"
)

func TestEmbedded(t *testing.T) {
	t.Parallel()
	s := start(t, redis.Options{Mode: redis.ModeEmbedded})
	if !regexp.MustCompile(`^embedded \(miniredis( \d+\.\d+\.\d+)?\)$`).MatchString(s.Kind()) || s.PID() != 0 {
		t.Errorf("kind %q, pid %d", s.Kind(), s.PID())
	}
	c := client(t, s)
	if err := c.Set(t.Context(), "k", "v", 30*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(time.Millisecond) {
		err := c.Get(t.Context(), "k").Err()
		if errors.Is(err, goredis.Nil) {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the key has not expired: %v", err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", s.Addr()); err == nil {
		_ = conn.Close()
		t.Error("it still listens after Close")
	}
	if isClosed(s.Done()) || s.Err() != nil {
		t.Errorf("done %v, err %v; an embedded server does not end by itself", isClosed(s.Done()), s.Err())
	}
}

// TestEmbeddedLacks keeps the sentence true: when miniredis learns one of
// these, the sentence has to change.
func TestEmbeddedLacks(t *testing.T) {
	t.Parallel()
	s := start(t, redis.Options{Mode: redis.ModeEmbedded})
	c := client(t, s)
	for word, command := range map[string][]any{
		"FUNCTION":    {"FUNCTION", "LIST"},
		"CLIENT KILL": {"CLIENT", "KILL", "TYPE", "normal"},
		"cluster":     {"CLUSTER", "INFO"},
		"disk":        {"SAVE"},
		"scripts":     nil,
	} {
		if !strings.Contains(s.Lacks(), word) {
			t.Errorf("Lacks() = %q does not name %s", s.Lacks(), word)
		}
		if command == nil {
			continue
		}
		if err := c.Do(t.Context(), command...).Err(); err == nil {
			t.Errorf("%v works on the embedded server", command)
		}
	}
}
