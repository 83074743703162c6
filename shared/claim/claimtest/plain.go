package claimtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"photofinish/shared/claim"
)

// begin begins a key for some content.
func (b Bench) begin(t testing.TB, owner, id, fingerprint string) claim.Begun {
	t.Helper()
	begun, err := b.Begin(ctx, id, fingerprint, owner, lease)
	if err != nil {
		t.Fatal(err)
	}
	return begun
}

// take begins a key and requires that it is won.
func (b Bench) take(t testing.TB, owner, id string) claim.Held {
	t.Helper()
	begun := b.begin(t, owner, id, "fp")
	if begun.Outcome != claim.Won {
		t.Fatalf("%s begins %s: %+v, want won", owner, id, begun)
	}
	return claim.Held{ID: id, Fence: begun.Fence}
}

// respond ends a key with a response.
func (b Bench) respond(t testing.TB, owner string, held claim.Held, response string) claim.Ended {
	t.Helper()
	ends, err := b.Settle(ctx, owner, claim.Respond, []claim.Settlement{{Held: held, Result: response}})
	if err != nil {
		t.Fatal(err)
	}
	return ends[0]
}

func (b Bench) free(t testing.TB, owner string, held claim.Held) bool {
	t.Helper()
	freed, err := b.Free(ctx, owner, held, "no luck")
	if err != nil {
		t.Fatal(err)
	}
	return freed
}

var plainCases = []Case{
	{"of many that begin a key one wins, and its response is kept", func(t testing.TB, b Bench) {
		const callers = 24
		outcomes := make([]claim.Outcome, callers)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range callers {
			wg.Go(func() {
				owner := fmt.Sprintf("caller-%d", i)
				<-start
				begun, err := b.Begin(ctx, "pay:29", "fp", owner, lease)
				if err != nil {
					t.Errorf("begin: %v", err)
					return
				}
				if outcomes[i] = begun.Outcome; begun.Outcome != claim.Won {
					return
				}
				held := claim.Held{ID: "pay:29", Fence: begun.Fence}
				ends, err := b.Settle(ctx, owner, count, []claim.Settlement{{Held: held, Keys: []string{b.counter(), b.effects()}, Args: []any{1}}})
				if err != nil {
					t.Errorf("settle: %v", err)
					return
				}
				outcomes[i] = ends[0].Outcome
			})
		}
		close(start)
		wg.Wait()
		tally := map[claim.Outcome]int{}
		for _, o := range outcomes {
			tally[o]++
		}
		equal(t, "winners", tally[claim.Done], 1)
		equal(t, "losers", tally[claim.Busy]+tally[claim.Already], callers-1)
		b.happened(t, 1)
	}},

	{"while a key is held others learn by whom and for how long", func(t testing.TB, b Bench) {
		held := b.take(t, "A", "pay:29")
		other := b.begin(t, "B", "pay:29", "fp")
		equal(t, "outcome", other.Outcome, claim.Busy)
		equal(t, "holder", other.Holder, fmt.Sprintf("%d:A", held.Fence))
		if other.Left <= 0 || other.Left > lease {
			t.Fatalf("time left: %v, want up to %v", other.Left, lease)
		}
	}},

	{"a key that has ended gives its response again, to its own caller too", func(t testing.TB, b Bench) {
		held := b.take(t, "A", "pay:29")
		equal(t, "outcome", b.respond(t, "A", held, `{"paid":true}`).Outcome, claim.Done)
		for _, owner := range []string{"A", "B"} {
			again := b.begin(t, owner, "pay:29", "fp")
			equal(t, "outcome for "+owner, again.Outcome, claim.Already)
			equal(t, "state", again.State, claim.Settled)
			equal(t, "response", again.Result, `{"paid":true}`)
			equal(t, "fence", again.Fence, held.Fence)
			equal(t, "owner", again.Holder, "A")
			if again.Kept <= 0 || again.Kept > time.Hour {
				t.Fatalf("the record is kept for %v, want up to an hour", again.Kept)
			}
		}
		equal(t, "locks left", b.Redis.Exists(ctx, b.Keys().Lock("pay:29")).Val(), 0)
	}},

	{"a key that an effect rejected stays rejected", func(t testing.TB, b Bench) {
		held := b.take(t, "A", "pay:29")
		end := b.settle(t, "A", claim.Claimed{ID: held.ID, Fence: held.Fence}, "short")
		equal(t, "state", end.State, claim.Rejected)
		again := b.begin(t, "B", "pay:29", "fp")
		equal(t, "outcome", again.Outcome, claim.Already)
		equal(t, "state", again.State, claim.Rejected)
		equal(t, "reason", again.Result, "too little")
		b.happened(t, 0)
	}},

	{"a key is refused for other content: while held, after a crash, and after its end", func(t testing.TB, b Bench) {
		held := b.take(t, "A", "pay:29")
		equal(t, "while held", b.begin(t, "B", "pay:29", "other").Outcome, claim.Conflicts)
		b.expire(t, "pay:29")
		equal(t, "after a crash", b.begin(t, "B", "pay:29", "other").Outcome, claim.Conflicts)
		held = b.take(t, "C", held.ID)
		b.respond(t, "C", held, "1")
		equal(t, "after its end", b.begin(t, "B", "pay:29", "other").Outcome, claim.Conflicts)
		equal(t, "for the same", b.begin(t, "B", "pay:29", "fp").Outcome, claim.Already)
	}},

	{"begin repeated by its owner is won again with the same fence", func(t testing.TB, b Bench) {
		held := b.take(t, "A", "pay:29")
		equal(t, "fence", b.take(t, "A", "pay:29").Fence, held.Fence)
	}},

	{"the fence of a key grows, even when its record has expired", func(t testing.TB, b Bench) {
		var last int64
		for i := range 4 {
			held := b.take(t, fmt.Sprintf("owner-%d", i), "pay:29")
			if held.Fence <= last {
				t.Fatalf("fence %d after %d", held.Fence, last)
			}
			last = held.Fence
			b.expire(t, "pay:29")
			if i%2 == 1 {
				if err := b.Redis.Del(ctx, b.Keys().Record("pay:29")).Err(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}},

	{"when the lease of a key has ended the next one wins, and the late one has lost", func(t testing.TB, b Bench) {
		frozen := b.take(t, "A", "pay:29")
		b.expire(t, "pay:29")
		next := b.take(t, "B", "pay:29")
		equal(t, "end of the late one", b.respond(t, "A", frozen, "late").Outcome, claim.Lost)
		equal(t, "freed by the late one", b.free(t, "A", frozen), false)
		equal(t, "outcome for others", b.begin(t, "C", "pay:29", "fp").Outcome, claim.Busy)
		equal(t, "for other content", b.begin(t, "C", "pay:29", "other").Outcome, claim.Conflicts)
		equal(t, "end of its successor", b.respond(t, "B", next, "in time").Outcome, claim.Done)
		late := b.respond(t, "A", frozen, "late")
		equal(t, "end of the late one, afterwards", late.Outcome, claim.Already)
		equal(t, "who ended it", late.Owner, "B")
		equal(t, "response", b.begin(t, "C", "pay:29", "fp").Result, "in time")
	}},

	{"a key that is freed can be begun at once, for other content too", func(t testing.TB, b Bench) {
		held := b.take(t, "A", "pay:29")
		equal(t, "freed", b.free(t, "A", held), true)
		equal(t, "freed, when the answer was lost", b.free(t, "A", held), true)
		equal(t, "reason on record", b.record(t, "pay:29").Reason, "no luck")
		equal(t, "locks left", b.Redis.Exists(ctx, b.Keys().Lock("pay:29")).Val(), 0)
		equal(t, "end of the one that freed it", b.respond(t, "A", held, "late").Outcome, claim.Lost)
		next := b.begin(t, "B", "pay:29", "other")
		equal(t, "outcome for other content", next.Outcome, claim.Won)
		if next.Fence <= held.Fence {
			t.Fatalf("fence %d after %d", next.Fence, held.Fence)
		}
	}},

	{"a key whose lease has ended can still be freed by the last who held it", func(t testing.TB, b Bench) {
		held := b.take(t, "A", "pay:29")
		b.expire(t, "pay:29")
		equal(t, "freed", b.free(t, "A", held), true)
		equal(t, "outcome for other content", b.begin(t, "B", "pay:29", "other").Outcome, claim.Won)
	}},

	{"a key that has ended cannot be freed", func(t testing.TB, b Bench) {
		held := b.take(t, "A", "pay:29")
		b.respond(t, "A", held, "1")
		equal(t, "freed", b.free(t, "A", held), false)
		equal(t, "outcome for other content", b.begin(t, "B", "pay:29", "other").Outcome, claim.Conflicts)
		equal(t, "reason on record", b.record(t, "pay:29").Reason, "")
	}},

	{"a key that nobody has begun cannot be freed", func(t testing.TB, b Bench) {
		equal(t, "freed", b.free(t, "A", claim.Held{ID: "pay:29", Fence: 1}), false)
		equal(t, "records made", b.Redis.Exists(ctx, b.Keys().Record("pay:29")).Val(), 0)
	}},

	{"an order that was placed is neither begun nor freed", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.deliver(t, 1)
		equal(t, "begin", b.begin(t, "A", "29", "fp").Outcome, claim.Conflicts)
		c := b.win(t, "A", "29")
		equal(t, "freed", b.free(t, "A", claim.Held{ID: c.ID, Fence: c.Fence}), false)
		if ttl := b.Redis.TTL(ctx, b.Keys().Record("29")).Val(); ttl > 0 {
			t.Fatalf("the record of an order that has not ended would expire in %v", ttl)
		}
		equal(t, "outcome", b.settle(t, "A", c, 1).Outcome, claim.Done)
		b.place(t, "30")
		b.deliver(t, 1)
		for range 3 {
			b.release(t, "A", b.win(t, "A", "30"), "no luck")
			b.redeliver(t)
		}
		b.letters(t, 1)
		equal(t, "begin of a dead letter", b.begin(t, "A", "30", "fp").Outcome, claim.Conflicts)
	}},

	{"renew keeps a key that was begun", func(t testing.TB, b Bench) {
		held := b.take(t, "A", "pay:29")
		if err := b.Redis.PExpire(ctx, b.Keys().Lock("pay:29"), 5*time.Second).Err(); err != nil {
			t.Fatal(err)
		}
		kept, err := b.Renew(ctx, "A", lease, []claim.Held{held})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "kept", fmt.Sprint(kept), "[true]")
		if left := b.Redis.PTTL(ctx, b.Keys().Lock("pay:29")).Val(); left <= 5*time.Second {
			t.Fatalf("the renewed lock has %v left", left)
		}
	}},

	{"a key whose lock has lost its lease gets one", func(t testing.TB, b Bench) {
		b.take(t, "A", "pay:29")
		if err := b.Redis.Persist(ctx, b.Keys().Lock("pay:29")).Err(); err != nil {
			t.Fatal(err)
		}
		equal(t, "outcome", b.begin(t, "B", "pay:29", "fp").Outcome, claim.Busy)
		if left := b.Redis.PTTL(ctx, b.Keys().Lock("pay:29")).Val(); left <= 0 {
			t.Fatalf("the lock is held for ever: %v", left)
		}
	}},

	{"no record of a key is kept for ever", func(t testing.TB, b Bench) {
		held := b.take(t, "A", "pay:29")
		kept := func(when string) {
			if ttl := b.Redis.TTL(ctx, b.Keys().Record("pay:29")).Val(); ttl <= 0 || ttl > time.Hour {
				t.Fatalf("%s the record is kept for %v, want up to an hour", when, ttl)
			}
		}
		kept("begun,")
		b.free(t, "A", held)
		kept("freed,")
		held = b.take(t, "A", "pay:29")
		b.respond(t, "A", held, "1")
		kept("ended,")
	}},
}
