package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
	"photofinish/shared/redistest"
)

func TestAContenderThatCrashesWithAClaimIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		racer := racerOn(rdb, 200*time.Millisecond)
		var crashed atomic.Bool
		racer.claimed = func(_ string, won []claim.Claimed) error {
			if len(won) > 0 && crashed.CompareAndSwap(false, true) {
				return crash{}
			}
			return nil
		}
		c, _ := contend(quick(), racer.race)
		start(t, rdb, quick(), c)
		shop.place(t, "001", "29")
		shop.settled(t, "29")
		shop.empty(t)
		// The crash counts, the deliveries that found the lock still held do not.
		if r := shop.record(t, "29"); r.Fence != 2 || r.Deliveries != 2 {
			t.Errorf("settled with fence %d at delivery %d, want the second of both", r.Fence, r.Deliveries)
		}
	})
}

func TestAnOrderThatAnotherHoldsIsNotCounted(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		shop.place(t, "001", "29")
		// Somebody has claimed it and is gone; its lease goes on for a while.
		if cs, err := shop.engine.Claim(t.Context(), "gone", 400*time.Millisecond, []claim.Delivery{{ID: "29", Count: 1}}); err != nil || cs[0].Outcome != claim.Won {
			t.Fatalf("%v, %v", cs, err)
		}
		s := quick()
		s.MaxDeliveries = 1
		c, seen := contend(s, shop.racer().race)
		start(t, rdb, s, c)
		shop.settled(t, "29")
		shop.empty(t)
		if r := shop.record(t, "29"); r.Deliveries != 1 || seen.count() < 2*s.Fanout {
			t.Errorf("settled at delivery %d after %d invocations, want at the first that counts", r.Deliveries, seen.count())
		}
	})
}

func TestThrottlingIsNotHeldAgainstOrders(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{
		"throttled":      &types.TooManyRequestsException{Message: aws.String("Rate Exceeded.")},
		"no such host":   errors.New("dial tcp: lookup lambda: no such host"),
		"redis is away":  &delivery.UnavailableError{Err: errors.New("connection refused")},
		"function is no": &types.ResourceNotFoundException{Message: aws.String("Function not found")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb := redistest.Server(t)
			shop := newShop(t, rdb, "main")
			racer := shop.racer()
			s := quick()
			s.MaxDeliveries = 2
			var open atomic.Bool
			c, seen := contend(s, func(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
				if !open.Load() {
					return delivery.Answer{}, failure
				}
				return racer.race(ctx, b)
			})
			b := start(t, rdb, s, c)
			orders := ids("order", 10)
			shop.place(t, "001", orders...)
			until(t, "many deliveries", func() bool { return seen.count() >= 4*s.Fanout })
			for _, p := range shop.pending(t) {
				if p.Deliveries > 1 {
					t.Errorf("entry %s: %d deliveries are counted", p.Entry, p.Deliveries)
				}
			}
			open.Store(true)
			shop.settled(t, orders...)
			shop.empty(t)
			for _, id := range orders {
				if r := shop.record(t, id); r.Deliveries != 1 {
					t.Errorf("%s was settled at delivery %d", id, r.Deliveries)
				}
			}
			shop.buried(t, 0)
			if len(b.log.lines(t, "contenders failed")) == 0 {
				t.Error("nothing was logged")
			}
		})
	}
}

// A function that does not start, or that is not the inventory function, ends
// every delivery; no order is at fault.
func TestABrokenFunctionBuriesNothing(t *testing.T) {
	t.Parallel()
	answers := map[string]*lambda.InvokeOutput{
		"crash at start": {FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"Runtime.ExitError","errorMessage":"exit status 1"}`)},
		"not JSON":       {Payload: []byte(`<html>`)},
		"null":           {Payload: []byte(`null`)},
		"other function": {Payload: []byte(`{"statusCode":200,"body":"hello"}`)},
		"huge error":     {FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"E","errorMessage":"` + strings.Repeat("x", 1<<20) + `"}`)},
	}
	for name, broken := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb := redistest.Server(t)
			shop := newShop(t, rdb, "main")
			racer := shop.racer()
			s := quick()
			s.MaxDeliveries = 1
			c, _ := contend(s, racer.race)
			sound := c.invoke
			var repaired atomic.Bool
			c.invoke = func(ctx context.Context, payload []byte) (*lambda.InvokeOutput, error) {
				if repaired.Load() {
					return sound(ctx, payload)
				}
				return broken, nil
			}
			b := start(t, rdb, s, c)
			orders := ids("order", 2)
			shop.place(t, "001", orders...)
			until(t, "more deliveries than are allowed", func() bool {
				ps := shop.pending(t)
				return len(ps) == 2 && ps[0].Deliveries > 2 && ps[1].Deliveries > 2
			})
			shop.buried(t, 0)
			repaired.Store(true)
			shop.settled(t, orders...)
			shop.empty(t)
			for _, l := range b.log.lines(t, "contenders failed") {
				if text, _ := l["error"].(string); len(text) == 0 || len(text) > 1000 {
					t.Fatalf("the log tells the error in %d bytes", len(text))
				}
			}
		})
	}
}

func TestPoisonBecomesADeadLetterAlone(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		orders := ids("order", 20)
		shop.place(t, "001", orders[:10]...)
		shop.place(t, "bad", "poison")
		shop.place(t, "001", orders[10:]...)
		// What a contender gives up need not wait for the end of its lease, though
		// the others saw the lock.
		c, seen := contend(quick(), racerOn(rdb, time.Hour).race)
		start(t, rdb, quick(), c)
		shop.settled(t, orders...)
		reasons := shop.buried(t, 1)
		if !strings.Contains(reasons["poison"], "the stock of bad is not a whole number: abc") {
			t.Errorf("reasons: %v", reasons)
		}
		shop.empty(t)
		if r := shop.record(t, "poison"); r.State != claim.Dead || r.Deliveries != 3 {
			t.Errorf("the poison: %s at delivery %d, want dead at the third", r.State, r.Deliveries)
		}
		for _, id := range orders {
			if r := shop.record(t, id); r.Deliveries != 1 {
				t.Errorf("%s was settled at delivery %d: the poison held it up", id, r.Deliveries)
			}
		}
		for _, b := range seen.batches() {
			if b.Deliveries[0].Count > 1 && len(b.Deliveries) != 1 {
				t.Errorf("delivered again in a batch of %d", len(b.Deliveries))
			}
		}
	})
}

func TestAnOrderThatCrashesEveryContenderBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		racer := racerOn(rdb, 100*time.Millisecond)
		racer.claimed = func(_ string, won []claim.Claimed) error {
			for _, c := range won {
				if c.ID == "bomb" {
					return crash{}
				}
			}
			return nil
		}
		orders := ids("order", 10)
		shop.place(t, "001", orders[:5]...)
		shop.place(t, "001", "bomb")
		shop.place(t, "001", orders[5:]...)
		c, _ := contend(quick(), racer.race)
		b := start(t, rdb, quick(), c)
		shop.settled(t, orders...)
		reasons := shop.buried(t, 1)
		if !strings.Contains(reasons["bomb"], "Runtime.ExitError") {
			t.Errorf("reasons: %v", reasons)
		}
		shop.empty(t)
		if r := shop.record(t, "bomb"); r.State != claim.Dead || r.Deliveries < 3 {
			t.Errorf("the bomb: %s at delivery %d, want dead at the third", r.State, r.Deliveries)
		}
		late := ids("late", 3)
		shop.place(t, "001", late...)
		shop.settled(t, late...)
		until(t, "it to be logged", func() bool {
			got := b.log.lines(t, "dead letter")
			return len(got) == 1 && got[0]["order"] == "bomb"
		})
	})
}

// What cannot even be buried, since its id cannot be one, is not in the way.
func TestAnEntryThatIsNoOrderHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	shop := newShop(t, rdb, "main")
	stray := func(id string) {
		if err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: shop.engine.Keys().Stream(), Values: []string{"id", id}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	stray("{x}")
	if err := rdb.Set(t.Context(), shop.engine.Keys().Record("broken"), "no hash", 0).Err(); err != nil {
		t.Fatal(err)
	}
	stray("broken")
	shop.place(t, "bad", "poison")
	shop.place(t, "001", "29")
	// As the inventory function does, with an error for the batch as a whole.
	racer := shop.racer()
	s := quick()
	c, _ := contend(s, func(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
		a, err := racer.race(ctx, b)
		if err != nil {
			return a, crash{}
		}
		return a, nil
	})
	b := start(t, rdb, s, c)
	shop.settled(t, "29")
	until(t, "both to be given up", func() bool { return len(b.log.lines(t, "order not buried")) >= 2 })
	shop.place(t, "bad", "poison-2")
	reasons := shop.buried(t, 2)
	if reasons["poison"] == "" || reasons["poison-2"] == "" {
		t.Errorf("reasons: %v", reasons)
	}
}

func TestStrayEntriesAreCleared(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		add := func(id string) {
			if err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: shop.engine.Keys().Stream(), Values: []string{"id", id}}).Err(); err != nil {
				t.Fatal(err)
			}
		}
		c, _ := contend(quick(), shop.racer().race)
		b := start(t, rdb, quick(), c)
		shop.place(t, "001", "29")
		shop.settled(t, "29")
		add("29")      // it has ended
		add("unknown") // it was never placed
		reasons := shop.buried(t, 1)
		if !strings.Contains(reasons["unknown"], "no record") {
			t.Errorf("reasons: %v", reasons)
		}
		shop.empty(t)
		shop.settled(t, "29")
		until(t, "it to be logged", func() bool {
			got := b.log.lines(t, "entry without an order")
			return len(got) == 1 && got[0]["order"] == "unknown"
		})
	})
}

// An entry that somebody deleted, or trimmed away, is not pending for ever, even
// if it has no delivery left.
func TestADeletedEntryIsLetGo(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		shop.place(t, "001", "29")
		killed := shop.engine.Queue("killed")
		if err := killed.Join(t.Context()); err != nil {
			t.Fatal(err)
		}
		ds, err := killed.Read(t.Context(), 1, -1)
		if err != nil || len(ds) != 1 {
			t.Fatalf("%v, %v", ds, err)
		}
		if err := rdb.XDel(t.Context(), shop.engine.Keys().Stream(), ds[0].Entry).Err(); err != nil {
			t.Fatal(err)
		}
		s := quick()
		s.MaxDeliveries, s.InvokeTimeout = 1, 50*time.Millisecond
		c, _ := contend(s, shop.racer().race)
		start(t, rdb, s, c)
		shop.empty(t)
	})
}

func TestWhatIsDue(t *testing.T) {
	t.Parallel()
	s := quick()
	s.RedeliverAt, s.InvokeTimeout, s.BackoffBase, s.BackoffMax = time.Second, time.Minute, time.Millisecond, 4*time.Millisecond
	l := newLane(newShop(t, redistest.Embedded(t), "main").engine, "me", s, nil, nil, (&logs{}).logger())
	l.inFlight["flying"] = true
	l.after["held"] = time.Now().Add(time.Hour)
	l.after["was held"] = time.Now().Add(-time.Millisecond)
	l.suspects["suspect"] = "crashed"
	for _, tt := range []struct {
		name       string
		pending    claim.Pending
		ok         bool
		suspect    bool
		from, upto time.Duration
	}{
		{"mine, in flight", claim.Pending{Entry: "flying", Consumer: "me", Deliveries: 1}, false, false, 0, 0},
		{"mine, held by another contender", claim.Pending{Entry: "held", Consumer: "me", Deliveries: 1}, false, false, 0, 0},
		{"mine, not held any more", claim.Pending{Entry: "was held", Consumer: "me", Deliveries: 1}, true, false, 0, time.Millisecond},
		{"mine, handed back", claim.Pending{Entry: "a", Consumer: "me", Deliveries: 0}, true, false, 0, time.Millisecond},
		{"mine, failed", claim.Pending{Entry: "suspect", Consumer: "me", Deliveries: 2}, true, true, 0, 2 * time.Millisecond},
		{"mine, often", claim.Pending{Entry: "a", Consumer: "me", Deliveries: 100}, true, false, 0, 4 * time.Millisecond},
		{"another's", claim.Pending{Entry: "a", Consumer: "you", Deliveries: 1}, true, false, time.Second, time.Second + time.Millisecond},
		{"another's by now", claim.Pending{Entry: "suspect", Consumer: "you", Deliveries: 2}, true, true, time.Second, time.Second + 2*time.Millisecond},
		{"another's last try", claim.Pending{Entry: "a", Consumer: "you", Deliveries: 3}, true, false, time.Minute, time.Minute + 4*time.Millisecond},
	} {
		idle, suspect, ok := l.due(tt.pending)
		if ok != tt.ok || suspect != tt.suspect || idle < tt.from || idle > tt.upto {
			t.Errorf("%s: due after %v, suspect %v, %v, want %v to %v, %v, %v", tt.name, idle, suspect, ok, tt.from, tt.upto, tt.suspect, tt.ok)
		}
	}
}

func TestNotesAreBounded(t *testing.T) {
	t.Parallel()
	l := newLane(newShop(t, redistest.Embedded(t), "main").engine, "me", quick(), nil, nil, (&logs{}).logger())
	rapidEntry := func(i int) string { return time.UnixMilli(int64(i)).String() }
	for i := range maxNotes + 10 {
		l.suspect(rapidEntry(i), "failed")
		l.postpone(rapidEntry(i), time.Hour)
	}
	if len(l.suspects) != 10 || len(l.after) != 10 {
		t.Errorf("%d suspects and %d held, want those since it was full", len(l.suspects), len(l.after))
	}
	l.forget(rapidEntry(maxNotes))
	if len(l.suspects) != 9 || len(l.after) != 9 {
		t.Errorf("%d suspects and %d held after one was forgotten", len(l.suspects), len(l.after))
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "base"))
		limit := base + time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, "limit"))
		n := rapid.IntRange(-1, 1_000_000).Draw(t, "n")
		got := backoff(base, limit, n)
		if got < base || got > limit || backoff(base, limit, n+1) < got {
			t.Fatalf("backoff(%v, %v, %d) = %v, then %v", base, limit, n, got, backoff(base, limit, n+1))
		}
		entry, deliveries := rapid.String().Draw(t, "entry"), rapid.Int64().Draw(t, "deliveries")
		j := jittered(entry, deliveries, limit)
		if j < 0 || j > limit || j != jittered(entry, deliveries, limit) {
			t.Fatalf("jittered up to %v: %v, then %v", limit, j, jittered(entry, deliveries, limit))
		}
	})
}

func TestWhatAContendersAnswerMeans(t *testing.T) {
	t.Parallel()
	b := delivery.Batch{Warehouse: "main", Deliveries: []claim.Delivery{{Entry: "1-1", ID: "29", Count: 1}}}
	good, err := json.Marshal(delivery.Answer{Outcomes: []delivery.Outcome{{Order: "29", Entry: "1-1", Outcome: claim.Done}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		out          *lambda.InvokeOutput
		err          error
		want         string
		notDelivered bool
	}{
		"answer":          {out: &lambda.InvokeOutput{Payload: good}},
		"too few":         {out: &lambda.InvokeOutput{Payload: []byte(`{"outcomes":[]}`)}, want: "0 outcomes for 1 orders"},
		"no JSON":         {out: &lambda.InvokeOutput{Payload: []byte(`hello`)}, want: "not that of a contender"},
		"throttled":       {err: &types.TooManyRequestsException{}, want: "TooManyRequests", notDelivered: true},
		"unavailable":     {out: &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"UnavailableError","errorMessage":"away"}`)}, want: "away", notDelivered: true},
		"failed":          {out: &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"errorString","errorMessage":"no"}`)}, want: "errorString: no"},
		"failed, no JSON": {out: &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`oops`)}, want: "oops"},
	} {
		c, _ := contend(quick(), nil)
		c.invoke = func(context.Context, []byte) (*lambda.InvokeOutput, error) { return tt.out, tt.err }
		a, err := c.race(t.Context(), b)
		switch {
		case tt.want == "" && (err != nil || len(a.Outcomes) != 1):
			t.Errorf("%s: %v, %v", name, a, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, errNotDelivered) != tt.notDelivered):
			t.Errorf("%s: %v, want %q, not delivered: %v", name, err, tt.want, tt.notDelivered)
		}
	}

	// One that does not answer in time may well have been at work.
	s := quick()
	s.InvokeTimeout = 20 * time.Millisecond
	c, _ := contend(s, func(ctx context.Context, _ delivery.Batch) (delivery.Answer, error) {
		<-ctx.Done()
		return delivery.Answer{}, ctx.Err()
	})
	if _, err := c.race(t.Context(), b); err == nil || errors.Is(err, errNotDelivered) || !strings.Contains(err.Error(), "no answer in 20ms") {
		t.Errorf("without an answer: %v", err)
	}
}
