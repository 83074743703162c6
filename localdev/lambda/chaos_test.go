package lambda

import (
	"context"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Whatever happens to the processes, every caller gets an answer, and nothing
// is left over.
func TestChaos(t *testing.T) {
	t.Parallel()
	const callers, each = 6, 60
	c := probe("f")
	c.Timeout = 250 * time.Millisecond
	s := start(t, Options{Output: func(Line) {}}, c)

	stop := make(chan struct{})
	var killer sync.WaitGroup
	seen := map[int]bool{}
	killer.Go(func() {
		tick := time.NewTicker(3 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			envs := s.Environments()
			for _, e := range envs {
				if e.PID != 0 {
					seen[e.PID] = true
				}
			}
			if len(envs) == 0 {
				continue
			}
			signal := syscall.SIGKILL
			if rand.IntN(4) == 0 {
				signal = syscall.SIGSTOP
			}
			if e := envs[rand.IntN(len(envs))]; e.PID != 0 && e.State != Stopping {
				_ = syscall.Kill(e.PID, signal) // it may have gone meanwhile
			}
		}
	})
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for i := range each {
				r, err := s.Invoke(t.Context(), Request{Function: "f", Payload: event([]string{"pid", "exit", "panic", "log"}[i%4], "N", 2), Tail: i%5 == 0})
				if err != nil {
					t.Error(err)
					continue
				}
				payload := string(r.Payload)
				failed := strings.Contains(payload, "Task timed out after 0.25 seconds") || strings.Contains(payload, "Runtime exited with error: ")
				if r.FunctionError != "" && !failed && !strings.Contains(payload, `"stackTrace"`) {
					t.Errorf("%s", payload)
				}
			}
		})
	}
	all.Wait()
	close(stop)
	killer.Wait()

	f := s.functions["f"]
	eventually(t, "all counts right", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		dirs, err := os.ReadDir(s.root)
		return err == nil && f.inFlight == 0 && len(f.waiting) == 0 && f.answered == 0 && f.starting == 0 && s.pool.used.Load() == 0 &&
			f.live == len(f.idle) && f.live == len(f.envs) && len(dirs) == len(f.envs)+len(f.resets)
	})
	for _, e := range s.Environments() {
		seen[e.PID] = true
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for pid := range seen {
		if !gone(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
	if len(seen) < callers {
		t.Errorf("only %d processes were seen", len(seen))
	}
}
