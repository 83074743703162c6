package claimtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"photofinish/shared/claim"
)

var raceCases = []Case{
	{"of many racers one wins, and the effect happens once", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.deliver(t, 1)
		const racers = 24
		outcomes := make([]claim.Outcome, racers)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range racers {
			wg.Go(func() {
				owner := fmt.Sprintf("racer-%d", i)
				<-start
				cs, err := b.Claim(ctx, owner, lease, []claim.Delivery{{ID: "29", Count: 1}})
				if err != nil {
					t.Errorf("claim: %v", err)
					return
				}
				if outcomes[i] = cs[0].Outcome; outcomes[i] != claim.Won {
					return
				}
				ends, err := b.Settle(ctx, owner, count, []claim.Settlement{b.settlement(cs[0], 1)})
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
		equal(t, "losers", tally[claim.Busy]+tally[claim.Already], racers-1)
		b.happened(t, 1)
		b.backlog(t, 0, 0)
		equal(t, "racers on record", b.record(t, "29").Racers, racers)
	}},

	{"the winner is given the message and a fence; the others learn who holds the lock", func(t testing.TB, b Bench) {
		b.place(t, "29")
		c := b.win(t, "A", "29")
		equal(t, "message", string(c.Message), "message of 29")
		equal(t, "fence", c.Fence, 1)
		other := b.claim(t, "B", "29")
		equal(t, "outcome", other.Outcome, claim.Busy)
		equal(t, "holder", other.Holder, "1:A")
		if other.Left <= 0 || other.Left > lease {
			t.Fatalf("time left: %v, want up to %v", other.Left, lease)
		}
	}},

	{"only what was placed is processed", func(t testing.TB, b Bench) {
		equal(t, "outcome", b.claim(t, "A", "never-placed").Outcome, claim.NoOrder)
		if n := b.Redis.Exists(ctx, b.Keys().Lock("never-placed"), b.Keys().Record("never-placed")).Val(); n != 0 {
			t.Fatalf("%d keys were made for an order that was never placed", n)
		}
	}},

	{"a key that was begun and is free again is no order", func(t testing.TB, b Bench) {
		begun, err := b.Begin(ctx, "29", "fp", "A", lease)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "outcome while it is held", b.claim(t, "B", "29").Outcome, claim.NoOrder)
		if freed, err := b.Free(ctx, "A", begun.Held(), "gave up"); err != nil || !freed {
			t.Fatalf("freed %v, %v", freed, err)
		}
		equal(t, "outcome once it is free", b.claim(t, "B", "29").Outcome, claim.NoOrder)
	}},
	{"a duplicate that comes after the record has expired is refused", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.deliver(t, 1)
		b.settle(t, "A", b.win(t, "A", "29"), 1)
		if err := b.Redis.Del(ctx, b.Keys().Record("29")).Err(); err != nil {
			t.Fatal(err)
		}
		equal(t, "outcome", b.claim(t, "B", "29").Outcome, claim.NoOrder)
		b.happened(t, 1)
	}},

	{"a claim repeated by its owner is won again with the same fence", func(t testing.TB, b Bench) {
		b.place(t, "29")
		first := b.win(t, "A", "29")
		equal(t, "fence", b.win(t, "A", "29").Fence, first.Fence)
	}},

	{"the fence only grows", func(t testing.TB, b Bench) {
		b.place(t, "29")
		for i := range int64(4) {
			equal(t, "fence", b.win(t, fmt.Sprintf("owner-%d", i), "29").Fence, i+1)
			b.expire(t, "29")
		}
	}},

	{"a lease ends by itself, and the next one wins", func(t testing.TB, b Bench) {
		b.place(t, "29")
		if _, err := b.Claim(ctx, "A", 20*time.Millisecond, []claim.Delivery{{ID: "29"}}); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(10 * time.Second)
		for b.claim(t, "B", "29").Outcome != claim.Won {
			if time.Now().After(deadline) {
				t.Fatal("the lock of 20 ms is still held after 10 s")
			}
		}
	}},

	{"renew keeps only what is the owner's", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.place(t, "30")
		c, other := b.win(t, "A", "29"), b.win(t, "B", "30")
		if err := b.Redis.PExpire(ctx, b.Keys().Lock("29"), 5*time.Second).Err(); err != nil {
			t.Fatal(err)
		}
		if err := b.Redis.PExpire(ctx, b.Keys().Lock("30"), 5*time.Second).Err(); err != nil {
			t.Fatal(err)
		}
		kept, err := b.Renew(ctx, "A", lease, []claim.Held{{ID: "29", Fence: c.Fence}, {ID: "30", Fence: other.Fence}, {ID: "31", Fence: 1}})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "kept", fmt.Sprint(kept), "[true false false]")
		if left := b.Redis.PTTL(ctx, b.Keys().Lock("29")).Val(); left <= 5*time.Second {
			t.Fatalf("the renewed lock has %v left", left)
		}
		if left := b.Redis.PTTL(ctx, b.Keys().Lock("30")).Val(); left > 5*time.Second {
			t.Fatalf("another owner's lock was renewed to %v", left)
		}
	}},

	{"a lock that has lost its lease gets one", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.win(t, "A", "29")
		if err := b.Redis.Persist(ctx, b.Keys().Lock("29")).Err(); err != nil {
			t.Fatal(err)
		}
		equal(t, "outcome", b.claim(t, "B", "29").Outcome, claim.Busy)
		if left := b.Redis.PTTL(ctx, b.Keys().Lock("29")).Val(); left <= 0 {
			t.Fatalf("the lock is held for ever: %v", left)
		}
	}},

	{"a batch is claimed in one call, each order on its own", func(t testing.TB, b Bench) {
		b.place(t, "held")
		b.win(t, "B", "held")
		b.place(t, "done")
		b.deliver(t, 2)
		b.settle(t, "B", b.win(t, "B", "done"), 1)
		b.place(t, "free")
		cs, err := b.Claim(ctx, "A", lease, []claim.Delivery{{ID: "held"}, {ID: "done"}, {ID: "none"}, {ID: "free"}})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []claim.Outcome{claim.Busy, claim.Already, claim.NoOrder, claim.Won} {
			equal(t, cs[i].ID, cs[i].Outcome, want)
		}
		equal(t, "how it ended", cs[1].State, claim.Settled)
		equal(t, "who ended it", cs[1].Holder, "B")
	}},
}
