package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

// probeVar tells the tests where TestMain has built the probe.
const probeVar = "LAMBDA_TEST_PROBE"

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "probe-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		build := exec.Command("go", "build", "-o", filepath.Join(dir, "bootstrap"), "./testdata/probe")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err == nil {
		err = os.Setenv(probeVar, dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the probe:", err)
		return 1
	}
	return m.Run()
}

// probe is the configuration of the probe with the given name.
func probe(name string) Config {
	return Config{Name: name, Dir: os.Getenv(probeVar), Timeout: 30 * time.Second}
}

// single is a probe that runs in one environment at a time, so that a slow
// machine does not get it a second one.
func single(name string) Config {
	c := probe(name)
	one := 1
	c.ReservedConcurrency = &one
	return c
}

// recorder is an Output that remembers.
type recorder struct {
	mu    sync.Mutex
	lines []Line
}

func (r *recorder) output(l Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, l)
}

func (r *recorder) all() []Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Line(nil), r.lines...)
}

// until waits for a line that satisfies the condition.
func (r *recorder) until(t *testing.T, what string, is func(Line) bool) Line {
	t.Helper()
	var found Line
	eventually(t, what, func() bool {
		for _, l := range r.all() {
			if is(l) {
				found = l
				return true
			}
		}
		return false
	})
	return found
}

func start(t testing.TB, o Options, functions ...Config) *Service {
	t.Helper()
	o.TempDir = t.TempDir()
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	}
	s, err := New(o, functions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimSpace(b))
	return len(b), nil
}

// call invokes with {"Do":do} and further fields, and wants an answer of some kind.
func call(t testing.TB, s *Service, function, do string, fields ...any) Response {
	t.Helper()
	r, err := s.Invoke(context.Background(), Request{Function: function, Payload: event(do, fields...)})
	if err != nil {
		t.Errorf("invoke %s: %v", do, err)
	}
	return r
}

func event(do string, fields ...any) []byte {
	e := map[string]any{"Do": do}
	for i := 0; i < len(fields); i += 2 {
		e[fields[i].(string)] = fields[i+1]
	}
	b, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return b
}

// value is a successful answer, decoded.
func value[T any](t testing.TB, r Response) T {
	t.Helper()
	var v T
	if r.FunctionError != "" {
		t.Errorf("function error: %s", r.Payload)
		return v
	}
	if err := json.Unmarshal(r.Payload, &v); err != nil {
		t.Errorf("payload %s: %v", r.Payload, err)
	}
	return v
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting for: %s", what)
		}
	}
}

// gone reports whether no such process runs (any more).
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}
