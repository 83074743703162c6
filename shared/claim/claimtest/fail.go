package claimtest

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
)

// addStray puts a second entry for an id into the stream, past the engine.
func addStray(b Bench, id string) error {
	return b.Redis.XAdd(ctx, &redis.XAddArgs{Stream: b.Keys().Stream(), Values: []string{"id", id}}).Err()
}

var failCases = []Case{
	{"release frees the lock at once, keeps the reason and leaves the order pending", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.deliver(t, 1)
		got := b.release(t, "A", b.win(t, "A", "29"), "no luck")
		equal(t, "released", got, claim.Released{ID: "29", Deliveries: 1})
		equal(t, "reason", b.record(t, "29").Reason, "no luck")
		b.backlog(t, 1, 1)
		b.win(t, "B", "29")
	}},

	{"release by one who lost the claim does nothing", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.deliver(t, 1)
		frozen := b.win(t, "A", "29")
		b.expire(t, "29")
		next := b.win(t, "B", "29")
		equal(t, "lost", b.release(t, "A", frozen, "late").Lost, true)
		equal(t, "reason", b.record(t, "29").Reason, "")
		equal(t, "outcome for others", b.claim(t, "C", "29").Outcome, claim.Busy)
		equal(t, "outcome of the successor", b.settle(t, "B", next, 1).Outcome, claim.Done)
		b.happened(t, 1)
	}},

	{"the last failure allowed makes a dead letter with its reason", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.deliver(t, 1)
		for _, reason := range []string{"first", "second"} {
			equal(t, "buried", b.release(t, "A", b.win(t, "A", "29"), reason).Buried, false)
			b.redeliver(t)
		}
		got := b.release(t, "A", b.win(t, "A", "29"), "third")
		equal(t, "released", got, claim.Released{ID: "29", Buried: true, Deliveries: 3})
		letter := b.letters(t, 1)[0]
		equal(t, "dead order", letter.ID, "29")
		equal(t, "reason", letter.Reason, "third")
		b.backlog(t, 0, 0)
		r := b.record(t, "29")
		equal(t, "state", r.State, claim.Dead)
		equal(t, "letter on record", r.Letter, letter.Entry)
		equal(t, "outcome afterwards", b.claim(t, "B", "29").Outcome, claim.Already)
		b.happened(t, 0)
	}},
}

var deadCases = []Case{
	{"an order is not buried while it has deliveries left", func(t testing.TB, b Bench) {
		b.place(t, "29")
		d := b.deliver(t, 1)[0]
		got, err := b.DeadLetter(ctx, d, "gave no answer")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "verdict", got.Verdict, "early")
		b.backlog(t, 1, 1)
		b.letters(t, 0)
	}},

	{"an order is not buried while a contender holds it", func(t testing.TB, b Bench) {
		b.place(t, "29")
		d := b.deliver(t, 1)[0]
		b.redeliver(t)
		b.redeliver(t)
		c := b.win(t, "A", "29")
		got, err := b.DeadLetter(ctx, d, "gave no answer")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "verdict", got.Verdict, "busy")
		equal(t, "outcome", b.settle(t, "A", c, 1).Outcome, claim.Done)
		b.happened(t, 1)
		b.letters(t, 0)
	}},

	{"an order that used up its deliveries without a word is buried, once", func(t testing.TB, b Bench) {
		b.place(t, "29")
		d := b.deliver(t, 1)[0]
		b.redeliver(t)
		b.redeliver(t)
		for _, want := range []string{"buried", "gone"} {
			got, err := b.DeadLetter(ctx, d, "gave no answer")
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "verdict", got.Verdict, want)
		}
		equal(t, "reason", b.letters(t, 1)[0].Reason, "gave no answer")
		equal(t, "state", b.record(t, "29").State, claim.Dead)
		b.backlog(t, 0, 0)
	}},

	{"a winner that was frozen while its order was buried cannot settle", func(t testing.TB, b Bench) {
		b.place(t, "29")
		d := b.deliver(t, 1)[0]
		b.redeliver(t)
		b.redeliver(t)
		frozen := b.win(t, "A", "29")
		b.expire(t, "29")
		if _, err := b.DeadLetter(ctx, d, "gave no answer"); err != nil {
			t.Fatal(err)
		}
		equal(t, "outcome", b.settle(t, "A", frozen, 1).Outcome, claim.Already)
		if err := b.Redrive(ctx, "29"); err != nil {
			t.Fatal(err)
		}
		equal(t, "outcome after redrive", b.settle(t, "A", frozen, 1).Outcome, claim.Lost)
		b.happened(t, 0)
	}},

	{"an entry without an order leaves a dead letter and goes", func(t testing.TB, b Bench) {
		if err := addStray(b, "ghost"); err != nil {
			t.Fatal(err)
		}
		d := b.deliver(t, 1)[0]
		got, err := b.DeadLetter(ctx, d, "")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "verdict", got.Verdict, "refused")
		b.backlog(t, 0, 0)
		letter := b.letters(t, 1)[0]
		equal(t, "id", letter.ID, "ghost")
		if err := b.Discard(ctx, letter); err != nil {
			t.Fatal(err)
		}
		b.letters(t, 0)
	}},

	{"an entry of an ended order only goes", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.deliver(t, 1)
		b.settle(t, "A", b.win(t, "A", "29"), 1)
		if err := addStray(b, "29"); err != nil {
			t.Fatal(err)
		}
		got, err := b.DeadLetter(ctx, b.deliver(t, 1)[0], "")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "verdict", got.Verdict, "cleared")
		b.backlog(t, 0, 0)
		b.letters(t, 0)
		equal(t, "state", b.record(t, "29").State, claim.Settled)
	}},

	{"redrive gives a dead order a new start, and its fence goes on", func(t testing.TB, b Bench) {
		b.bury(t, "29")
		if err := b.Redrive(ctx, "29"); err != nil {
			t.Fatal(err)
		}
		b.letters(t, 0)
		d := b.deliver(t, 1)[0]
		equal(t, "deliveries", d.Count, 1)
		c := b.win(t, "B", "29")
		equal(t, "fence", c.Fence, 4)
		equal(t, "outcome", b.settle(t, "B", c, 1).Outcome, claim.Done)
		b.happened(t, 1)
		b.backlog(t, 0, 0)
	}},

	{"only a dead order can be redriven", func(t testing.TB, b Bench) {
		b.place(t, "open")
		b.place(t, "done")
		b.deliver(t, 2)
		b.settle(t, "A", b.win(t, "A", "done"), 1)
		for id, state := range map[string]claim.State{"open": claim.Accepted, "done": claim.Settled, "none": ""} {
			notDead, ok := b.Redrive(ctx, id).(*claim.NotDeadError) //nolint:errorlint // returned as it is
			if !ok || notDead.State != state {
				t.Fatalf("redrive %s: %v, want that it is %q", id, notDead, state)
			}
		}
		b.backlog(t, 1, 1)
		b.happened(t, 1)
	}},

	{"discard takes the letter off the list and lets the record expire", func(t testing.TB, b Bench) {
		b.bury(t, "29")
		letter := b.letters(t, 1)[0]
		if err := b.Discard(ctx, letter); err != nil {
			t.Fatal(err)
		}
		b.letters(t, 0)
		equal(t, "state", b.record(t, "29").State, claim.Dead)
		if ttl := b.Redis.TTL(ctx, b.Keys().Record("29")).Val(); ttl <= 0 {
			t.Fatalf("the record is kept for %v", ttl)
		}
		if err := b.Discard(ctx, letter); err == nil {
			t.Fatal("a letter was discarded twice")
		}
	}},

	{"a letter of an order that was redriven meanwhile cannot be discarded", func(t testing.TB, b Bench) {
		b.bury(t, "29")
		letter := b.letters(t, 1)[0]
		if err := b.Redrive(ctx, "29"); err != nil {
			t.Fatal(err)
		}
		if err := b.Discard(ctx, letter); err == nil {
			t.Fatal("discarded, want a refusal")
		}
		equal(t, "TTL", b.Redis.PTTL(ctx, b.Keys().Record("29")).Val(), -1)
	}},

	{"a letter about an entry without an order has no hold on an order placed since", func(t testing.TB, b Bench) {
		if err := addStray(b, "29"); err != nil {
			t.Fatal(err)
		}
		if _, err := b.DeadLetter(ctx, b.deliver(t, 1)[0], ""); err != nil {
			t.Fatal(err)
		}
		b.place(t, "29")
		if err := b.Discard(ctx, b.letters(t, 1)[0]); err != nil {
			t.Fatal(err)
		}
		b.letters(t, 0)
		equal(t, "TTL", b.Redis.PTTL(ctx, b.Keys().Record("29")).Val(), -1)
	}},

	{"a letter that was discarded can still be redriven, and the record is kept again", func(t testing.TB, b Bench) {
		b.bury(t, "29")
		if err := b.Discard(ctx, b.letters(t, 1)[0]); err != nil {
			t.Fatal(err)
		}
		if err := b.Redrive(ctx, "29"); err != nil {
			t.Fatal(err)
		}
		equal(t, "TTL", b.Redis.PTTL(ctx, b.Keys().Record("29")).Val(), -1)
		b.deliver(t, 1)
		b.settle(t, "A", b.win(t, "A", "29"), 1)
		b.happened(t, 1)
	}},
}

// bury places an order and lets it fail until it is a dead letter.
func (b Bench) bury(t testing.TB, id string) {
	t.Helper()
	b.place(t, id)
	b.deliver(t, 1)
	b.release(t, "A", b.win(t, "A", id), "first")
	b.redeliver(t)
	b.release(t, "A", b.win(t, "A", id), "second")
	b.redeliver(t)
	equal(t, "buried", b.release(t, "A", b.win(t, "A", id), "third").Buried, true)
}
