package lambda

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// gate is a named pipe; functions block on it until it is opened.
type gate string

func newGate(t *testing.T) gate {
	t.Helper()
	name := filepath.Join(t.TempDir(), "gate")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return gate(name)
}

// open lets the one go on who blocks on the gate, or will in a moment.
func (g gate) open(t *testing.T) {
	t.Helper()
	var f *os.File
	eventually(t, "someone at the gate", func() (ok bool) {
		var err error
		f, err = os.OpenFile(string(g), os.O_WRONLY|syscall.O_NONBLOCK, 0)
		return err == nil
	})
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// blocked invokes n times, and returns when all are busy. Whoever receives from
// the channel n times gets the pids, once the gates are open.
func blocked(t *testing.T, s *Service, function string, gates []gate) <-chan int {
	t.Helper()
	pids := make(chan int, len(gates))
	for _, g := range gates {
		go func() {
			pids <- value[struct{ PID int }](t, call(t, s, function, "block", "Text", string(g))).PID
		}()
	}
	eventually(t, "all busy", func() bool {
		busy := 0
		for _, e := range s.Environments() {
			if e.Function == function && e.State == Busy {
				busy++
			}
		}
		return busy == len(gates)
	})
	return pids
}

func gates(t *testing.T, n int) []gate {
	t.Helper()
	all := make([]gate, n)
	for i := range all {
		all[i] = newGate(t)
	}
	return all
}

func TestParallelInvocationsHaveAProcessEach(t *testing.T) {
	t.Parallel()
	const n = 50
	s := start(t, Options{}, probe("f"))
	all := gates(t, n)
	answers := blocked(t, s, "f", all)
	for _, g := range all {
		g.open(t)
	}
	pids := map[int]bool{}
	for range n {
		pids[<-answers] = true
	}
	if len(pids) != n {
		t.Errorf("%d pids, want %d", len(pids), n)
	}

	began := time.Now()
	var sleepers sync.WaitGroup
	for range n {
		sleepers.Go(func() {
			if pid := value[int](t, call(t, s, "f", "sleep", "N", 200)); !pids[pid] {
				t.Errorf("a new process, %d", pid)
			}
		})
	}
	sleepers.Wait()
	if took := time.Since(began); took > 2*time.Second { // one after another: 10 s
		t.Errorf("%d times 200 ms took %v", n, took)
	}
}

func TestMostRecentlyUsedEnvironmentFirst(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, probe("f"))
	all := gates(t, 3)
	answers := blocked(t, s, "f", all)
	var last int
	for _, g := range all { // one after the other
		g.open(t)
		last = <-answers
		eventually(t, "idle", func() bool {
			for _, e := range s.Environments() {
				if e.PID == last {
					return e.State == Idle
				}
			}
			return false
		})
	}
	if pid := value[int](t, call(t, s, "f", "pid")); pid != last {
		t.Errorf("pid %d, want the one used last, %d", pid, last)
	}
}

func TestWaitingInvocationCanBeWithdrawn(t *testing.T) {
	t.Parallel()
	c := single("f")
	c.Env = map[string]string{"PROBE_INIT": "hang"}
	s := start(t, Options{}, c)
	ctx, cancel := context.WithCancel(t.Context())
	withdrawn := make(chan error)
	go func() {
		_, err := s.Invoke(ctx, Request{Function: "f"})
		withdrawn <- err
	}()
	eventually(t, "starting", func() bool { return len(s.Environments()) == 1 })
	cancel()
	if err := <-withdrawn; !errors.Is(err, context.Canceled) {
		t.Errorf("Invoke: %v", err)
	}
	// It counts no more: the next one waits too, instead of being throttled.
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.Invoke(ctx, Request{Function: "f"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Invoke after that: %v", err)
	}
}

func TestRunningInvocationRunsOnWithoutItsCaller(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, single("f"))
	ctx, cancel := context.WithCancel(t.Context())
	g := newGate(t)
	left := make(chan error)
	go func() {
		_, err := s.Invoke(ctx, Request{Function: "f", Payload: event("block", "Text", string(g))})
		left <- err
	}()
	state := func(want EnvironmentState) func() bool {
		return func() bool { e := s.Environments(); return len(e) == 1 && e[0].State == want && e[0].Invocations == 1 }
	}
	eventually(t, "busy", state(Busy))
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("Invoke: %v", err)
	}
	if !state(Busy)() {
		t.Errorf("the environment is not busy any more: %+v", s.Environments())
	}
	g.open(t)
	eventually(t, "idle", state(Idle))
}
