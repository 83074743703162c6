package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

func TestWaitingForAnOrderToEnd(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		s.place(t, "29")
		// It ends after it was looked at three times, and is answered soon after.
		var ended time.Time
		rdb.AddHook(&counter{command: "hgetall", at: 3, do: func() {
			s.settle(t, "29", "A", 10)
			ended = time.Now()
		}})
		a := s.do(t, get("/orders/29", "wait=25s"))
		if a.StatusCode != http.StatusOK || !strings.Contains(a.Body, `"status":"settled"`) || ended.IsZero() {
			t.Errorf("%d %s", a.StatusCode, a.Body)
		}
		if late := time.Since(ended); late > 5*time.Second {
			t.Errorf("answered %v after its end", late)
		}
		// One that has ended is answered at once.
		start := time.Now()
		if a := s.do(t, get("/orders/29", "wait=25")); !strings.Contains(a.Body, "settled") || time.Since(start) > 5*time.Second {
			t.Errorf("%v: %d %s", time.Since(start), a.StatusCode, a.Body)
		}
	})
}

func TestAnOrderThatDiesOrIsRejectedEndsTheWaitToo(t *testing.T) {
	t.Parallel()
	for status, bring := range map[string]func(t *testing.T, s *shop){
		"rejected": func(t *testing.T, s *shop) { s.settle(t, "29", "A", 0) },
		"dead": func(t *testing.T, s *shop) {
			if _, err := s.engine().Release(t.Context(), "A", []claim.Failure{{Held: s.win(t, "29", "A"), Reason: "why"}}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, redistest.Embedded(t))
			s.place(t, "29")
			s.rdb.AddHook(&counter{command: "hgetall", at: 2, do: func() { bring(t, s) }})
			start := time.Now()
			a := s.do(t, get("/orders/29", "wait=25s"))
			if !strings.Contains(a.Body, `"status":"`+status+`"`) || time.Since(start) > 15*time.Second {
				t.Errorf("after %v: %s", time.Since(start), a.Body)
			}
		})
	}
}

func TestAWaitThatIsOver(t *testing.T) {
	t.Parallel()
	s := newShop(t, redistest.Embedded(t))
	s.place(t, "29")
	looked := &counter{command: "hgetall", at: -1}
	s.rdb.AddHook(looked)
	for query, least := range map[string]time.Duration{"": 0, "wait=0": 0, "wait=0s": 0, "wait=300ms": 300 * time.Millisecond, "wait=1": time.Second} {
		looked.n = 0
		start := time.Now()
		a := s.do(t, get("/orders/29", query))
		took := time.Since(start)
		if a.StatusCode != http.StatusOK || !strings.Contains(a.Body, `"status":"accepted"`) || took < least || took > least+10*time.Second {
			t.Errorf("%s: after %v: %d %s", query, took, a.StatusCode, a.Body)
		}
		// It asks Redis a few times a second, not all the time.
		if most := 8 + int(took/(50*time.Millisecond)); looked.n < 1 || least == 0 && looked.n != 1 || looked.n > most {
			t.Errorf("%s: %d look-ups in %v", query, looked.n, took)
		}
	}
}

func TestWaitsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t, redistest.Embedded(t))
	s.place(t, "29")
	for _, wait := range []string{"", "abc", "-1s", "-1", "26s", "26", "25.001s", "1h", "10%20s", "1e1s", "NaN", "Inf", "0x5", "%D9%A5", "99999999999999999999", "9999999h", "1s,2s", "10S"} {
		refused(t, s.do(t, get("/orders/29", "wait="+wait)), http.StatusBadRequest, "wait", "from 0 to 25s")
	}
	s.settle(t, "29", "A", 10)
	for _, wait := range []string{"0", "25", "25s", "1500ms", "1.5s", "0.4m"} {
		if a := s.do(t, get("/orders/29", "wait="+wait)); a.StatusCode != http.StatusOK {
			t.Errorf("wait=%s: %d %s", wait, a.StatusCode, a.Body)
		}
	}
}

// Lambda ends a function at its deadline; what it had to say is lost then.
func TestTheWaitEndsBeforeTheInvocationDoes(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		s.place(t, "29")
		for _, left := range []time.Duration{3 * time.Second, 1200 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			defer cancel()
			a := s.doContext(ctx, t, get("/orders/29", "wait=25s"))
			if ctx.Err() != nil {
				t.Errorf("with %v left the answer came after the deadline", left)
			}
			if a.StatusCode != http.StatusOK || !strings.Contains(a.Body, `"status":"accepted"`) {
				t.Errorf("with %v left: %d %s", left, a.StatusCode, a.Body)
			}
		}
	})
}
