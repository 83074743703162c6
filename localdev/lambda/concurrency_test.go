package lambda

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func limited(name string, n int) Config {
	c := probe(name)
	c.ReservedConcurrency = &n
	return c
}

func TestReservedConcurrency(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, limited("f", 2), limited("none", 0), probe("other"))
	all := gates(t, 2)
	answers := blocked(t, s, "f", all)
	_, err := s.Invoke(t.Context(), Request{Function: "f"})
	if diff := cmp.Diff(error(&ThrottledError{Function: "f", Reason: "ReservedFunctionConcurrentInvocationLimitExceeded", Limit: 2}), err); diff != "" {
		t.Errorf("the third of two (-want +got):\n%s", diff)
	}
	call(t, s, "other", "nil") // is not affected
	for _, g := range all {
		g.open(t)
	}
	<-answers
	<-answers
	call(t, s, "f", "nil")

	var throttled *ThrottledError
	if _, err := s.Invoke(t.Context(), Request{Function: "none"}); !errors.As(err, &throttled) || throttled.Limit != 0 {
		t.Errorf("reserved 0: %v", err)
	}
}

func TestUnreservedFunctionsShareTheAccountsLimit(t *testing.T) {
	t.Parallel()
	// Two are left for everyone else: the smallest pool that New takes is 100,
	// so the test makes it smaller.
	s := start(t, Options{}, probe("a"), probe("b"))
	s.pool.size = 2
	all := gates(t, 2)
	first := blocked(t, s, "a", all[:1])
	second := blocked(t, s, "b", all[1:])
	for _, name := range []string{"a", "b"} {
		var throttled *ThrottledError
		if _, err := s.Invoke(t.Context(), Request{Function: name}); !errors.As(err, &throttled) || throttled.Reason != "ConcurrentInvocationLimitExceeded" {
			t.Errorf("%s: %v", name, err)
		}
	}
	all[0].open(t)
	<-first
	call(t, s, "b", "nil") // takes the place of a's
	all[1].open(t)
	<-second
}

func TestReservationsMustLeaveSomething(t *testing.T) {
	t.Parallel()
	_, err := New(Options{}, []Config{limited("a", 500), limited("b", 401)})
	if err == nil || !strings.Contains(err.Error(), "reserve 901 of the account's 1000") {
		t.Errorf("New: %v", err)
	}
}

// However many come at once: never more run than allowed, each gets an answer
// or a refusal, and the count is right in the end.
func TestConcurrencyLimitUnderStress(t *testing.T) {
	t.Parallel()
	const limit, callers, each = 3, 24, 40
	s := start(t, Options{}, limited("f", limit))
	var served, refused atomic.Int64
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for j := range each {
				ctx, cancel := context.WithCancel(context.Background())
				if (i+j)%7 == 0 {
					cancel() // some give up at once
				}
				_, err := s.Invoke(ctx, Request{Function: "f", Payload: event("nil")})
				var throttled *ThrottledError
				switch {
				case err == nil:
					served.Add(1)
				case errors.As(err, &throttled):
					refused.Add(1)
				case !errors.Is(err, context.Canceled):
					t.Error(err)
				}
				cancel()
				if n := len(s.Environments()); n > limit {
					t.Errorf("%d environments", n)
				}
			}
		})
	}
	all.Wait()
	if served.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d served, %d refused: the limit was not reached", served.Load(), refused.Load())
	}
	// Who gave up may have left an invocation that still runs.
	f := s.functions["f"]
	eventually(t, "nothing in flight", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.inFlight == 0 && len(f.waiting) == 0 && f.answered == 0 && f.starting == 0 && f.live == len(f.envs) && len(f.idle) == f.live
	})
	all2 := gates(t, limit)
	answers := blocked(t, s, "f", all2)
	for _, g := range all2 {
		g.open(t)
		<-answers
	}
}
