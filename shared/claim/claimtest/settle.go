package claimtest

import (
	"strings"
	"testing"
	"time"

	"photofinish/shared/claim"
)

var settleCases = []Case{
	{"settle applies the effect, ends the order, drops the lock and acknowledges", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.deliver(t, 1)
		end := b.settle(t, "A", b.win(t, "A", "29"), 1)
		equal(t, "outcome", end.Outcome, claim.Done)
		equal(t, "state", end.State, claim.Settled)
		equal(t, "result", end.Result, "counted")
		b.happened(t, 1)
		b.backlog(t, 0, 0)
		equal(t, "locks left", b.Redis.Exists(ctx, b.Keys().Lock("29")).Val(), 0)
		r := b.record(t, "29")
		equal(t, "state on record", r.State, claim.Settled)
		equal(t, "fence on record", r.Fence, 1)
		equal(t, "owner on record", r.Owner, "A")
		if r.EndedAt.Before(r.PlacedAt) {
			t.Fatalf("ended at %v, placed at %v", r.EndedAt, r.PlacedAt)
		}
		if ttl := b.Redis.TTL(ctx, b.Keys().Record("29")).Val(); ttl < time.Hour-time.Minute || ttl > time.Hour {
			t.Fatalf("the record is kept for %v, want an hour", ttl)
		}
	}},

	{"settle repeated by the same claim gives the same answer and one effect", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.deliver(t, 1)
		c := b.win(t, "A", "29")
		first := b.settle(t, "A", c, 1)
		equal(t, "second answer", b.settle(t, "A", c, 1), first)
		b.happened(t, 1)
	}},

	{"a claim whose lease has ended cannot settle", func(t testing.TB, b Bench) {
		b.place(t, "29")
		c := b.win(t, "A", "29")
		b.expire(t, "29")
		equal(t, "outcome", b.settle(t, "A", c, 1).Outcome, claim.Lost)
		b.happened(t, 0)
	}},

	{"a frozen winner that wakes after its lease cannot settle beside its successor", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.deliver(t, 1)
		frozen := b.win(t, "A", "29")
		b.expire(t, "29")
		next := b.win(t, "B", "29")
		equal(t, "outcome of the frozen one", b.settle(t, "A", frozen, 1).Outcome, claim.Lost)
		b.happened(t, 0)
		equal(t, "outcome of its successor", b.settle(t, "B", next, 1).Outcome, claim.Done)
		late := b.settle(t, "A", frozen, 1)
		equal(t, "outcome afterwards", late.Outcome, claim.Already)
		equal(t, "who ended it", late.Owner, "B")
		b.happened(t, 1)
	}},

	{"the same owner with an older fence cannot settle", func(t testing.TB, b Bench) {
		b.place(t, "29")
		old := b.win(t, "A", "29")
		b.expire(t, "29")
		b.win(t, "A", "29")
		equal(t, "outcome", b.settle(t, "A", old, 1).Outcome, claim.Lost)
		b.happened(t, 0)
	}},

	{"an ended order cannot be settled even under a lock that looks right", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.deliver(t, 1)
		b.settle(t, "A", b.win(t, "A", "29"), 1)
		if err := b.Redis.Set(ctx, b.Keys().Lock("29"), "9:B", lease).Err(); err != nil {
			t.Fatal(err)
		}
		end := b.settle(t, "B", claim.Claimed{ID: "29", Fence: 9}, 1)
		equal(t, "outcome", end.Outcome, claim.Already)
		b.happened(t, 1)
	}},

	{"without a record nothing is settled, even under a lock that looks right", func(t testing.TB, b Bench) {
		if err := b.Redis.Set(ctx, b.Keys().Lock("29"), "1:A", lease).Err(); err != nil {
			t.Fatal(err)
		}
		equal(t, "outcome", b.settle(t, "A", claim.Claimed{ID: "29", Fence: 1}, 1).Outcome, claim.NoOrder)
		b.happened(t, 0)
		equal(t, "records made", b.Redis.Exists(ctx, b.Keys().Record("29")).Val(), 0)
	}},

	{"an effect that finds too little ends the order as rejected", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.deliver(t, 1)
		end := b.settle(t, "A", b.win(t, "A", "29"), "short")
		equal(t, "state", end.State, claim.Rejected)
		equal(t, "result", end.Result, "too little")
		equal(t, "result on record", b.record(t, "29").Result, "too little")
		b.backlog(t, 0, 0)
		again := b.claim(t, "B", "29")
		equal(t, "outcome afterwards", again.Outcome, claim.Already)
		equal(t, "state afterwards", again.State, claim.Rejected)
	}},

	{"an effect that fails leaves everything as it was, and the batch goes on", func(t testing.TB, b Bench) {
		for _, id := range []string{"a", "b", "c"} {
			b.place(t, id)
		}
		b.deliver(t, 3)
		ends, err := b.Settle(ctx, "A", count, []claim.Settlement{
			b.settlement(b.win(t, "A", "a"), 1), b.settlement(b.win(t, "A", "b"), "broken"), b.settlement(b.win(t, "A", "c"), 1),
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []claim.Outcome{claim.Done, claim.Failed, claim.Done} {
			equal(t, ends[i].ID, ends[i].Outcome, want)
		}
		if !strings.Contains(ends[1].Reason, "broken on purpose") {
			t.Fatalf("reason %q", ends[1].Reason)
		}
		b.happened(t, 2)
		b.backlog(t, 1, 1)
		equal(t, "state of the failed one", b.record(t, "b").State, claim.Accepted)
		equal(t, "outcome for others", b.claim(t, "B", "b").Outcome, claim.Busy)
	}},

	{"settle acknowledges the order's own entry, whatever else bears its id", func(t testing.TB, b Bench) {
		b.place(t, "29")
		if err := addStray(b, "29"); err != nil {
			t.Fatal(err)
		}
		ds := b.deliver(t, 2)
		b.settle(t, "A", b.win(t, "A", "29"), 1)
		b.backlog(t, 1, 1)
		for _, d := range ds {
			if _, err := b.DeadLetter(ctx, d, ""); err != nil {
				t.Fatal(err)
			}
		}
		b.backlog(t, 0, 0)
		b.letters(t, 0)
		b.happened(t, 1)
	}},
	{"the trace context goes with the message, until the order has ended", func(t testing.TB, b Bench) {
		if _, err := b.Place(ctx, claim.Placement{ID: "29", Fingerprint: "fp", Message: []byte("m"), Trace: "00-abc-def-01"}); err != nil {
			t.Fatal(err)
		}
		b.deliver(t, 1)
		equal(t, "trace of the winner", b.win(t, "A", "29").Trace, "00-abc-def-01")
		c := b.win(t, "A", "29")
		equal(t, "trace of the claim repeated", c.Trace, "00-abc-def-01")
		b.settle(t, "A", c, 1)
		equal(t, "trace on record", b.record(t, "29").Trace, "")
	}},
	{"a settlement's own result is kept where the effect returns none", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.place(t, "30")
		b.deliver(t, 2)
		var ss []claim.Settlement
		for _, id := range []string{"29", "30"} {
			ss = append(ss, claim.Settlement{Held: b.win(t, "A", id).Held(), Result: "response of " + id})
		}
		ends, err := b.Settle(ctx, "A", claim.Respond, ss)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range []string{"29", "30"} {
			equal(t, "result", ends[i].Result, "response of "+id)
			equal(t, "result on record", b.record(t, id).Result, "response of "+id)
		}
		again, err := b.Settle(ctx, "A", claim.Respond, ss[:1])
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "result replayed", again[0].Result, "response of 29")
	}},
	{"what an effect cannot be given fails alone, and is not sent", func(t testing.TB, b Bench) {
		var ss []claim.Settlement
		for _, id := range []string{"a", "b", "c"} {
			b.place(t, id)
			ss = append(ss, b.settlement(b.win(t, "A", id), 1))
		}
		ss[0].Args = []any{struct{ N int }{3}}
		ss[2].Keys = []string{"{elsewhere}:counter", b.effects()}
		ends, err := b.Settle(ctx, "A", count, ss)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []claim.Outcome{claim.Failed, claim.Done, claim.Failed} {
			equal(t, ends[i].ID, ends[i].Outcome, want)
		}
		if !strings.Contains(ends[0].Reason, "argument 1") || !strings.Contains(ends[2].Reason, "{elsewhere}:counter") {
			t.Fatalf("reasons %q and %q", ends[0].Reason, ends[2].Reason)
		}
		b.happened(t, 1)
	}},
	{"an effect that is no Lua, or raises what looks like Redis' own error, fails with its line", func(t testing.TB, b Bench) {
		b.place(t, "29")
		c := b.win(t, "A", "29")
		for body, want := range map[string]string{
			"return 'settled'\nlocal x = = 1": "",
			"\nerror('ROOM 5 is taken')":      "line 2: ROOM 5 is taken",
		} {
			ends, err := b.Settle(ctx, "A", claim.NewEffect("book", body), []claim.Settlement{b.settlement(c, 1)})
			if err != nil {
				t.Fatalf("%q: %v", body, err)
			}
			equal(t, "outcome", ends[0].Outcome, claim.Failed)
			if !strings.HasPrefix(ends[0].Reason, "effect book: ") || !strings.Contains(ends[0].Reason, want) {
				t.Fatalf("%q: reason %q", body, ends[0].Reason)
			}
		}
		equal(t, "state", b.record(t, "29").State, claim.Accepted)
	}},
}
