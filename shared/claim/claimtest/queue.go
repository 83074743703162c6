package claimtest

import (
	"strings"
	"testing"
	"time"

	"photofinish/shared/claim"
)

var queueCases = []Case{
	{"what was placed before the group existed is delivered", func(t testing.TB, b Bench) {
		if err := b.Redis.XGroupDestroy(ctx, b.Keys().Stream(), b.Options().Group).Err(); err != nil {
			t.Fatal(err)
		}
		b.place(t, "29")
		if _, err := b.Queue.Read(ctx, 1, -1); !claim.NoGroup(err) {
			t.Fatalf("read without a group: %v, want NOGROUP", err)
		}
		if err := b.Queue.Join(ctx); err != nil {
			t.Fatal(err)
		}
		equal(t, "order", b.deliver(t, 1)[0].ID, "29")
	}},

	{"an entry is delivered to one consumer, and again to whoever takes it over", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.deliver(t, 1)
		other := b.Engine.Queue("two")
		if ds, err := other.Read(ctx, 10, -1); err != nil || len(ds) != 0 {
			t.Fatalf("a second consumer read %v, %v", ds, err)
		}
		pending, err := other.Pending(ctx, 0, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "consumer", pending[0].Consumer, "one")
		pending[0].Idle = 0
		ds, err := other.Take(ctx, pending)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "taken", len(ds), 1)
		equal(t, "count", ds[0].Count, 2)
	}},

	{"an entry that is not idle long enough cannot be taken", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.deliver(t, 1)
		pending, err := b.Queue.Pending(ctx, 0, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		pending[0].Idle = time.Hour
		ds, err := b.Engine.Queue("two").Take(ctx, pending)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "taken", len(ds), 0)
	}},

	{"a delivery that reached nobody is handed back uncounted", func(t testing.TB, b Bench) {
		b.place(t, "29")
		ds := b.deliver(t, 1)
		if err := b.Queue.HandBack(ctx, ds); err != nil {
			t.Fatal(err)
		}
		equal(t, "count of the next", b.redeliver(t)[0].Count, 1)
	}},

	{"nobody hands back what another consumer has", func(t testing.TB, b Bench) {
		b.place(t, "29")
		ds := b.deliver(t, 1)
		if err := b.Engine.Queue("two").HandBack(ctx, ds); err != nil {
			t.Fatal(err)
		}
		pending, err := b.Queue.Pending(ctx, 0, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "consumer", pending[0].Consumer, "one")
		equal(t, "deliveries", pending[0].Deliveries, 1)
	}},

	{"a consumer with something pending cannot leave, so nothing pending is forgotten", func(t testing.TB, b Bench) {
		b.place(t, "29")
		b.deliver(t, 1)
		if err := b.Queue.Leave(ctx); err != nil {
			t.Fatal(err)
		}
		n, err := b.Queue.Sweep(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "consumers removed", n, 0)
		b.backlog(t, 1, 1)
		b.settle(t, "A", b.win(t, "A", "29"), 1)
		if err := b.Queue.Leave(ctx); err != nil {
			t.Fatal(err)
		}
		left, err := b.Redis.XInfoConsumers(ctx, b.Keys().Stream(), b.Options().Group).Result()
		if err != nil || len(left) != 0 {
			t.Fatalf("consumers left: %v, %v", left, err)
		}
	}},

	{"pending entries are listed page by page, oldest first", func(t testing.TB, b Bench) {
		for _, id := range []string{"a", "b", "c"} {
			b.place(t, id)
		}
		ds := b.deliver(t, 3)
		var seen []string
		for after := ""; ; after = seen[len(seen)-1] {
			page, err := b.Queue.Pending(ctx, 0, after, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page {
				seen = append(seen, p.Entry)
			}
			if len(page) < 2 {
				break
			}
		}
		equal(t, "entries", strings.Join(seen, " "), ds[0].Entry+" "+ds[1].Entry+" "+ds[2].Entry)
	}},

	{"an entry that somebody deleted is not pending for ever", func(t testing.TB, b Bench) {
		b.place(t, "29")
		d := b.deliver(t, 1)[0]
		if err := b.Redis.XDel(ctx, b.Keys().Stream(), d.Entry).Err(); err != nil {
			t.Fatal(err)
		}
		equal(t, "taken", len(b.redeliver(t)), 0)
		b.backlog(t, 0, 0)
	}},

	{"a consumer at work shows, until it leaves", func(t testing.TB, b Bench) {
		alive := func(want bool) {
			t.Helper()
			ok, err := b.Alive(ctx)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "alive", ok, want)
		}
		alive(false)
		for _, q := range []*claim.Queue{b.Engine.Queue("two"), b.Queue} {
			if err := q.Beat(ctx, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Engine.Queue("two").Leave(ctx); err != nil {
			t.Fatal(err)
		}
		alive(true)
		if err := b.Queue.Leave(ctx); err != nil {
			t.Fatal(err)
		}
		alive(false)
	}},
}

var receiveCases = []Case{
	{"a receipt is applied once for its id", func(t testing.TB, b Bench) {
		r := claim.Receipt{ID: "in-1", Fingerprint: "f", Keys: []string{b.counter(), b.effects()}, Args: []any{1}}
		for _, want := range []string{"received", "replayed", "replayed"} {
			got, err := b.Receive(ctx, count, r)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "verdict", got.Verdict, want)
			equal(t, "result", got.Result, "counted")
		}
		b.happened(t, 1)
		equal(t, "TTL", b.Redis.PTTL(ctx, b.Keys().Receipt("in-1")).Val(), -1)
	}},

	{"a receipt's id used for other content is a conflict", func(t testing.TB, b Bench) {
		r := claim.Receipt{ID: "in-1", Fingerprint: "f", Keys: []string{b.counter(), b.effects()}, Args: []any{1}}
		if _, err := b.Receive(ctx, count, r); err != nil {
			t.Fatal(err)
		}
		r.Fingerprint = "g"
		got, err := b.Receive(ctx, count, r)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "verdict", got.Verdict, "conflict")
		b.happened(t, 1)
	}},

	{"a receipt whose effect fails or refuses leaves nothing behind", func(t testing.TB, b Bench) {
		for _, arg := range []string{"broken", "short"} {
			got, err := b.Receive(ctx, count, claim.Receipt{ID: "in-1", Keys: []string{b.counter(), b.effects()}, Args: []any{arg}})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "verdict", got.Verdict, "failed")
		}
		b.happened(t, 0)
		equal(t, "records made", b.Redis.Exists(ctx, b.Keys().Receipt("in-1")).Val(), 0)
	}},
}
