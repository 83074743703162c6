package claim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

// linked is an engine over a link that can be cut.
func linked(t *testing.T, o claim.Options) (*claim.Engine, *redistest.Link, *redis.Client) {
	t.Helper()
	rdb := redistest.Embedded(t)
	link := redistest.NewLink(t, rdb)
	near := redis.NewClient(&redis.Options{Addr: link.Addr, Protocol: 2, DisableIdentity: true, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = near.Close() })
	e, err := claim.Open(near, "main", o)
	if err != nil {
		t.Fatal(err)
	}
	return e, link, rdb
}

func TestWithoutRedisACallFailsOrRunsUnguarded(t *testing.T) {
	t.Parallel()
	e, link, _ := linked(t, claim.Options{})
	link.Cut()
	var s till
	_, err := payer(t, e, payOptions{}, s.pay)(t.Context(), payment{ID: "29", Amount: 5})
	if u := want[*claim.UnavailableError](t, err); u.ID != "pay:29" || !claim.Unavailable(err) {
		t.Errorf("%v, want that Redis is away, and the key", err)
	}
	s.worked(t, 0)
	var lines bytes.Buffer
	o := payOptions{WithoutRedis: claim.Unguarded, Log: slog.New(slog.NewTextHandler(&lines, nil))}
	if r, err := payer(t, e, o, s.pay)(t.Context(), payment{ID: "29", Amount: 5}); err != nil || r.Fence != 0 {
		t.Errorf("%+v, %v, want a response without a claim", r, err)
	}
	s.worked(t, 1)
	if log := lines.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "key=pay:29") {
		t.Errorf("logged, want a warning with the key:\n%s", log)
	}
	if _, err := payer(t, e, o, withdrawer())(t.Context(), payment{ID: "30"}); !errors.Is(err, claim.ErrNoClaim) {
		t.Errorf("an effect without a claim: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = payer(t, e, o, s.pay)(over, payment{ID: "29", Amount: 5})
	_ = want[*claim.UnavailableError](t, err)
	s.worked(t, 1)
}

// An error of Redis that is not about being away is no reason to run unguarded.
func TestAnErrorOfRedisItselfIsNotAnOutage(t *testing.T) {
	t.Parallel()
	rdb := redistest.Embedded(t)
	if err := rdb.Set(t.Context(), "{main}:order:pay:29", "no hash", 0).Err(); err != nil {
		t.Fatal(err)
	}
	var s till
	h := payer(t, plainEngine(t, rdb), payOptions{WithoutRedis: claim.Unguarded, Log: slog.New(slog.DiscardHandler)}, s.pay)
	if _, err := h(t.Context(), payment{ID: "29"}); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") || !strings.Contains(err.Error(), "pay:29") {
		t.Errorf("%v, want the error of Redis, and the key", err)
	}
	s.worked(t, 0)
}

// With too few replicas the key is taken all the same: nothing runs beside that.
func TestTooFewReplicasAreNotAnOutage(t *testing.T) {
	t.Parallel()
	e, err := claim.Open(redistest.Server(t), "main", claim.Options{Replicas: 1, ReplicaTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var s till
	h := payer(t, e, payOptions{WithoutRedis: claim.Unguarded, Log: slog.New(slog.DiscardHandler)}, s.pay)
	_, err = h(t.Context(), payment{ID: "29"})
	_ = want[*claim.TooFewReplicasError](t, err)
	_ = want[*claim.UnavailableError](t, err)
	s.worked(t, 0)
}

// Redis goes away while the handler works, and comes back in time.
func TestTheEndIsRecordedWhenRedisComesBackInTime(t *testing.T) {
	t.Parallel()
	e, link, rdb := linked(t, claim.Options{})
	retried := make(chan struct{}, 100)
	log := slog.New(slog.NewTextHandler(writer(func([]byte) { retried <- struct{}{} }), nil))
	h := payer(t, e, payOptions{Log: log}, func(ctx context.Context, p payment) (receipt, error) {
		link.Cut()
		return withdrawer()(ctx, p)
	})
	rdb.Set(t.Context(), account, 100, 0)
	go func() {
		<-retried // it has tried and failed
		link.Mend(t)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	first, err := h(ctx, payment{ID: "29", Amount: 30})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h(ctx, payment{ID: "29", Amount: 30}); err != nil || again != first {
		t.Errorf("then %+v, %v, want %+v", again, err, first)
	}
	left(t, rdb, "70")
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

func TestWorkThatCannotBeRecordedIsReportedBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	e, link, rdb := linked(t, claim.Options{})
	h := payer(t, e, payOptions{}, func(context.Context, payment) (receipt, error) {
		link.Cut()
		return receipt{Paid: 5}, nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := h(ctx, payment{ID: "29"})
	if u := want[*claim.UnrecordedError](t, err); u.Claim.ID != "pay:29" || u.Claim.Fence == 0 || !claim.Unavailable(err) {
		t.Errorf("%v", err)
	}
	if ctx.Err() != nil {
		t.Error("the deadline has passed by then")
	}
	// The key stays taken until the lease ends, and the work is done again then.
	link.Mend(t)
	var s till
	again := payer(t, e, payOptions{}, s.pay)
	_, err = again(t.Context(), payment{ID: "29"})
	_ = want[*claim.InProgressError](t, err)
	rdb.Del(t.Context(), e.Keys().Lock("pay:29"))
	if _, err := again(t.Context(), payment{ID: "29"}); err != nil {
		t.Error(err)
	}
	s.worked(t, 1)
}

// A caller that goes away does not undo what was done.
func TestTheEndIsRecordedThoughTheContextIsCancelled(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *claim.Engine, _ *redis.Client) {
		var s till
		ctx, cancel := context.WithCancel(t.Context())
		h := payer(t, e, payOptions{}, func(ctx context.Context, p payment) (receipt, error) {
			cancel()
			return s.pay(ctx, p)
		})
		if _, err := h(ctx, payment{ID: "29"}); err != nil {
			t.Error(err)
		}
		if _, err := h(t.Context(), payment{ID: "29"}); err != nil {
			t.Error(err)
		}
		s.worked(t, 1)
	})
}

func TestAResponseThatCannotBeRecordedEndsTheKeyAllTheSame(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *claim.Engine, _ *redis.Client) {
		times := 0
		for id, out := range map[string]any{"large": strings.Repeat("x", 99), "no-json": math.NaN()} {
			h, err := claim.Handler(e, claim.HandlerOptions[payment, any]{Key: byID, Function: "pay", MaxResponse: 100}, func(context.Context, payment) (any, error) {
				times++
				return out, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h(t.Context(), payment{ID: id}); err != nil {
				t.Errorf("%s: the first call: %v", id, err)
			}
			for range 2 {
				_, err := h(t.Context(), payment{ID: id})
				if r := want[*claim.ResponseError](t, err); r.ID != "pay:"+id || r.Reason == "" || claim.Unavailable(err) {
					t.Errorf("%s: %+v", id, r)
				}
			}
		}
		if times != 2 {
			t.Errorf("worked %d times, want once for each", times)
		}
	})
}

func TestTheCacheAnswersForEndedKeysOnlyAndChecksTheirContent(t *testing.T) {
	t.Parallel()
	e, link, _ := linked(t, claim.Options{})
	var s till
	cached := payer(t, e, payOptions{CacheSize: 2}, s.pay)
	first, err := cached(t.Context(), payment{ID: "29", Amount: 5})
	if err != nil {
		t.Fatal(err)
	}
	// Another process has ended this one; and another is at work on this one.
	if _, err := payer(t, e, payOptions{}, s.pay)(t.Context(), payment{ID: "30"}); err != nil {
		t.Fatal(err)
	}
	if _, err := cached(t.Context(), payment{ID: "30"}); err != nil {
		t.Fatal(err)
	}
	if _, err := payer(t, e, payOptions{}, func(ctx context.Context, p payment) (receipt, error) {
		_, err := cached(ctx, p)
		_ = want[*claim.InProgressError](t, err)
		return receipt{}, errDeclined
	})(t.Context(), payment{ID: "31"}); !errors.Is(err, errDeclined) {
		t.Fatal(err)
	}
	link.Cut()
	if again, err := cached(t.Context(), payment{ID: "29", Amount: 5}); err != nil || again != first {
		t.Errorf("%+v, %v, want %+v from the cache", again, err, first)
	}
	if _, err := cached(t.Context(), payment{ID: "30"}); err != nil {
		t.Error(err)
	}
	_, err = cached(t.Context(), payment{ID: "29", Amount: 6})
	_ = want[*claim.ConflictError](t, err)
	_, err = cached(t.Context(), payment{ID: "31"})
	_ = want[*claim.UnavailableError](t, err)
	link.Mend(t)
	if _, err := cached(t.Context(), payment{ID: "32"}); err != nil { // the third: the oldest gives way
		t.Error(err)
	}
	s.worked(t, 3)
	link.Cut()
	_, err = cached(t.Context(), payment{ID: "30"})
	_ = want[*claim.UnavailableError](t, err)
}

func TestTheCacheForgetsWithTheRecord(t *testing.T) {
	t.Parallel()
	e, _, rdb := linked(t, claim.Options{Retention: time.Second})
	var s till
	h := payer(t, e, payOptions{CacheSize: 8}, s.pay)
	other := payer(t, e, payOptions{CacheSize: 8}, s.pay) // learns of the end from Redis
	for _, h := range []payHandler{h, other} {
		if _, err := h(t.Context(), payment{ID: "29"}); err != nil {
			t.Fatal(err)
		}
	}
	s.worked(t, 1)
	for deadline := time.Now().Add(30 * time.Second); rdb.Exists(t.Context(), e.Keys().Record("pay:29")).Val() == 1; {
		if time.Now().After(deadline) {
			t.Fatal("the record does not expire")
		}
	}
	if _, err := other(t.Context(), payment{ID: "29", Amount: 7}); err != nil {
		t.Errorf("new content after the record has expired: %v", err)
	}
	if _, err := h(t.Context(), payment{ID: "29", Amount: 7}); err != nil {
		t.Errorf("new content after the record has expired: %v", err)
	}
	s.worked(t, 2)
}

// A response is given again with every digit of its numbers.
func TestLargeNumbersInAResponseAreKept(t *testing.T) {
	t.Parallel()
	const text = `{"id":9007199254740993,"rate":0.1,"n":1e400}`
	h, err := claim.Handler(plainEngine(t, redistest.Embedded(t)), claim.HandlerOptions[payment, any]{Key: byID, Function: "pay"},
		func(context.Context, payment) (any, error) { return json.RawMessage(text), nil })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, err := h(t.Context(), payment{ID: "29"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		var a, b map[string]json.Number
		if json.Unmarshal(got, &a) != nil || json.Unmarshal([]byte(text), &b) != nil || a["id"] != b["id"] || a["n"] != b["n"] || a["rate"] != b["rate"] {
			t.Errorf("%s, want %s", got, text)
		}
	}
}

// Whatever is on record, a replay gives it as JSON has it or says that it cannot;
// and whatever a handler responds is given again.
func FuzzResponses(f *testing.F) {
	rdb := redistest.Embedded(f)
	e := plainEngine(f, rdb)
	for _, s := range []string{`{"paid":5,"fence":1790000000000001}`, `"text"`, `null`, ``, `!too large`, `{"paid":`, `{"paid":1e999}`, `1 2`, `[[[[`, "\xff", `{"statusCode":201,"headers":{"Location":"/orders/29"},"body":"{}"}`} {
		f.Add([]byte(s), s)
	}
	recorded, err := claim.Handler(e, claim.HandlerOptions[payment, receipt]{Key: byID, Function: "pay"}, func(context.Context, payment) (receipt, error) { return receipt{}, nil })
	if err != nil {
		f.Fatal(err)
	}
	var say string
	echo, err := claim.Handler(e, claim.HandlerOptions[payment, string]{Key: byID, Function: "echo"}, func(context.Context, payment) (string, error) { return say, nil })
	if err != nil {
		f.Fatal(err)
	}
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, record []byte, text string) {
		rdb.FlushAll(ctx)
		if _, err := recorded(ctx, payment{ID: "29"}); err != nil {
			t.Fatal(err)
		}
		rdb.HSet(ctx, e.Keys().Record("pay:29"), "result", record)
		got, err := recorded(ctx, payment{ID: "29"})
		var want receipt
		d := json.NewDecoder(bytes.NewReader(record))
		if valid := d.Decode(&want) == nil && !d.More(); valid != (err == nil) || valid && got != want {
			t.Errorf("%q on record: %+v, %v", record, got, err)
		}
		if err != nil {
			if _, ok := errors.AsType[*claim.ResponseError](err); !ok || got != (receipt{}) {
				t.Errorf("%q on record: %+v, %T %v", record, got, err, err)
			}
		}
		say = text
		first, err := echo(ctx, payment{ID: "29"})
		if err != nil {
			t.Fatal(err)
		}
		again, err := echo(ctx, payment{ID: "29"})
		if sent := overJSON(t, first); err != nil || sent != overJSON(t, again) {
			t.Errorf("%q, then %q, %v", sent, again, err)
		}
	})
}

// overJSON is what a caller gets to see: JSON has no bytes that are no UTF-8.
func overJSON(t *testing.T, s string) (got string) {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	return got
}
