package claim_test

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

type payment struct {
	ID     string   `json:"paymentId"`
	Amount int      `json:"amount"`
	Items  []string `json:"items,omitempty"`
}

type receipt struct {
	Paid  int   `json:"paid"`
	Fence int64 `json:"fence"`
}

type payHandler = func(context.Context, payment) (receipt, error)

type payOptions = claim.HandlerOptions[payment, receipt]

// byID is the key of the tests: of the function "pay", so the id is pay:<key>.
var byID = claim.Selector[payment]{Name: "the id of the payment", Value: func(p payment) (any, error) { return p.ID, nil }}

// till is a handler that counts how often it worked.
type till struct {
	mu    sync.Mutex
	times int
}

func (s *till) pay(ctx context.Context, p payment) (receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times++
	c, _ := claim.FromContext(ctx)
	return receipt{Paid: p.Amount, Fence: c.Fence}, nil
}

func (s *till) worked(t *testing.T, want int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.times != want {
		t.Errorf("the handler worked %d times, want %d", s.times, want)
	}
}

func plainEngine(t testing.TB, rdb redis.UniversalClient) *claim.Engine {
	t.Helper()
	e, err := claim.Open(rdb, "main", claim.Options{Retention: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func payer(t *testing.T, e *claim.Engine, o payOptions, work payHandler) payHandler {
	t.Helper()
	o.Key, o.Function = byID, "pay"
	h, err := claim.Handler(e, o, work)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// each runs a test on every Redis.
func each(t *testing.T, test func(t *testing.T, e *claim.Engine, rdb *redis.Client)) {
	t.Helper()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) { test(t, plainEngine(t, rdb), rdb) })
}

func want[E error](t *testing.T, err error) E {
	t.Helper()
	e, ok := errors.AsType[E](err)
	if !ok {
		t.Fatalf("%T %v, want a %T", err, err, e)
	}
	return e
}

func TestASecondCallIsGivenTheSameResponse(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *claim.Engine, _ *redis.Client) {
		var s till
		h := payer(t, e, payOptions{}, s.pay)
		first, err := h(t.Context(), payment{ID: "29", Amount: 5})
		if err != nil || first.Paid != 5 || first.Fence == 0 {
			t.Fatalf("%+v, %v", first, err)
		}
		second, err := h(t.Context(), payment{ID: "29", Amount: 5})
		if err != nil || second != first {
			t.Errorf("then %+v, %v, want %+v", second, err, first)
		}
		s.worked(t, 1)
		if _, err := h(t.Context(), payment{ID: "30", Amount: 5}); err != nil {
			t.Error(err)
		}
		s.worked(t, 2)
	})
}

func TestOfManyCallsAtOnceOneWorks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *claim.Engine, _ *redis.Client) {
		var s till
		h := payer(t, e, payOptions{}, s.pay)
		const callers = 32
		var wg sync.WaitGroup
		var mu sync.Mutex
		answers := map[receipt]int{}
		busy := 0
		start := make(chan struct{})
		for range callers {
			wg.Go(func() {
				<-start
				r, err := h(t.Context(), payment{ID: "29", Amount: 5})
				mu.Lock()
				defer mu.Unlock()
				if _, ok := errors.AsType[*claim.InProgressError](err); ok {
					busy++
				} else if err != nil {
					t.Error(err)
				} else {
					answers[r]++
				}
			})
		}
		close(start)
		wg.Wait()
		if len(answers) != 1 {
			t.Errorf("answers %v and %d in progress, want one answer for all", answers, busy)
		}
		s.worked(t, 1)
	})
}

func TestACallWhileAnotherIsAtWorkLearnsByWhomAndForHowLong(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *claim.Engine, _ *redis.Client) {
		var h payHandler
		h = payer(t, e, payOptions{Lease: 20 * time.Second}, func(ctx context.Context, p payment) (receipt, error) {
			c, ok := claim.FromContext(ctx)
			if !ok || c.Key != "29" || c.ID != "pay:29" || c.Owner == "" || c.Fence == 0 {
				t.Errorf("claim in the context: %+v, %v", c, ok)
			}
			_, err := h(ctx, p)
			busy := want[*claim.InProgressError](t, err)
			if busy.ID != "pay:29" || busy.Holder != fmt.Sprintf("%d:%s", c.Fence, c.Owner) || busy.Left <= 0 || busy.Left > 20*time.Second {
				t.Errorf("%+v, want that %+v is at work", busy, c)
			}
			if claim.Unavailable(err) {
				t.Error("that another is at work counts as if Redis were away")
			}
			return receipt{}, nil
		})
		if _, err := h(t.Context(), payment{ID: "29"}); err != nil {
			t.Error(err)
		}
	})
}

func TestOtherContentUnderTheSameKeyIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *claim.Engine, _ *redis.Client) {
		var s till
		other := payer(t, e, payOptions{}, s.pay)
		h := payer(t, e, payOptions{}, func(ctx context.Context, p payment) (receipt, error) {
			_, err := other(ctx, payment{ID: "29", Amount: 6})
			_ = want[*claim.ConflictError](t, err) // while it works
			return s.pay(ctx, p)
		})
		if _, err := h(t.Context(), payment{ID: "29", Amount: 5}); err != nil {
			t.Fatal(err)
		}
		_, err := other(t.Context(), payment{ID: "29", Amount: 6})
		if c := want[*claim.ConflictError](t, err); c.ID != "pay:29" {
			t.Errorf("%+v does not name the key", c)
		}
		s.worked(t, 1)
	})
}

func TestOnlyTheChosenContentHasToBeEqual(t *testing.T) {
	t.Parallel()
	var s till
	amount := claim.Selector[payment]{Name: "amount", Value: func(p payment) (any, error) { return p.Amount, nil }}
	h := payer(t, plainEngine(t, redistest.Embedded(t)), payOptions{Content: amount}, s.pay)
	for _, p := range []payment{{ID: "29", Amount: 5}, {ID: "29", Amount: 5, Items: []string{"other"}}} {
		if _, err := h(t.Context(), p); err != nil {
			t.Error(err)
		}
	}
	_, err := h(t.Context(), payment{ID: "29", Amount: 6})
	_ = want[*claim.ConflictError](t, err)
	s.worked(t, 1)
}

var errDeclined = errors.New("declined")

func TestAnErrorFreesTheKeyAtOnceAndComesBackAsItIs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *claim.Engine, _ *redis.Client) {
		var s till
		fail := payer(t, e, payOptions{}, func(context.Context, payment) (receipt, error) { return receipt{}, errDeclined })
		if _, err := fail(t.Context(), payment{ID: "29", Amount: 5}); err != errDeclined { //nolint:errorlint // the very same
			t.Errorf("%v, want the handler's own error", err)
		}
		r, ok, err := e.Lookup(t.Context(), "pay:29")
		if err != nil || !ok || r.Reason != "declined" {
			t.Errorf("record %+v, %v, %v, want the reason", r, ok, err)
		}
		if _, err := payer(t, e, payOptions{}, s.pay)(t.Context(), payment{ID: "29", Amount: 6}); err != nil {
			t.Error(err)
		}
		s.worked(t, 1)
	})
}

func TestAPanicFreesTheKeyAndGoesOnWithItsStack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *claim.Engine, _ *redis.Client) {
		var s till
		func() {
			defer func() {
				if v := recover(); v != "no till" {
					t.Errorf("recovered %v, want the handler's own panic", v)
				}
				if stack := string(debug.Stack()); !strings.Contains(stack, "claim_test.blowUp") {
					t.Errorf("the stack does not lead to the handler:\n%s", stack)
				}
			}()
			_, _ = payer(t, e, payOptions{}, blowUp)(t.Context(), payment{ID: "29", Amount: 5})
			t.Error("the panic is gone")
		}()
		if _, err := payer(t, e, payOptions{}, s.pay)(t.Context(), payment{ID: "29", Amount: 5}); err != nil {
			t.Error(err)
		}
		s.worked(t, 1)
	})
}

func blowUp(context.Context, payment) (receipt, error) { panic("no till") }

// The handler changes what its input points to: key, content and record are those
// of the input as it came.
func TestAHandlerThatChangesItsInputChangesNeitherKeyNorContent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *claim.Engine, _ *redis.Client) {
		times := 0
		h, err := claim.Handler(e, claim.HandlerOptions[map[string]any, int]{
			Function: "pay",
			Key:      claim.Selector[map[string]any]{Name: "id", Value: func(m map[string]any) (any, error) { return m["id"], nil }},
		}, func(_ context.Context, m map[string]any) (int, error) {
			times++
			m["id"] = "other"
			m["items"].([]any)[0] = "other"
			delete(m, "amount")
			return times, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			in := map[string]any{"id": "29", "amount": 5, "items": []any{"a"}}
			if n, err := h(t.Context(), in); err != nil || n != 1 {
				t.Errorf("%d, %v, want the first response", n, err)
			}
		}
		if _, ok, err := e.Lookup(t.Context(), "pay:other"); ok || err != nil {
			t.Errorf("there is a record of the changed key: %v", err)
		}
	})
}
