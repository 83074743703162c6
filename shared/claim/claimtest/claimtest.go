// Package claimtest is the conformance suite of the engine: what every Redis
// that the engine runs on has to show. Each case is a promise.
package claimtest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
)

// Case is one promise of the engine and its test.
type Case struct {
	Name string
	Test func(t testing.TB, b Bench)
}

// Bench is what a case works on.
type Bench struct {
	*claim.Engine
	Redis redis.UniversalClient
	Queue *claim.Queue // of a consumer called "one"
}

// Open makes the engine of a case for a partition, such as claim.Open.
type Open func(rdb redis.UniversalClient, partition string, o claim.Options) (*claim.Engine, error)

var partitions atomic.Int64

// Run runs all cases on one Redis, which may have other keys in it.
func Run(t *testing.T, rdb redis.UniversalClient) {
	t.Helper()
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) { c.Run(t, rdb, claim.Open) })
	}
}

// Run runs a case on a partition of its own.
func (c Case) Run(t testing.TB, rdb redis.UniversalClient, open Open) {
	t.Helper()
	e, err := open(rdb, fmt.Sprintf("case-%d", partitions.Add(1)), claim.Options{MaxDeliveries: 3, Retention: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	b := Bench{Engine: e, Redis: rdb, Queue: e.Queue("one")}
	if err := b.Queue.Join(context.Background()); err != nil {
		t.Fatal(err)
	}
	c.Test(t, b)
}

// Cases are all the promises.
func Cases() []Case {
	var all []Case
	for _, group := range [][]Case{placeCases, raceCases, settleCases, failCases, deadCases, queueCases, receiveCases, plainCases} {
		all = append(all, group...)
	}
	return all
}

const lease = time.Minute // long: cases end it themselves, with expire

var (
	ctx = context.Background()

	// count adds its argument to a counter and logs who did: it shows how often
	// the effect of an order happened.
	count = claim.NewEffect("count", `
		if ARGV[1] == 'broken' then error('broken on purpose') end
		if ARGV[1] == 'short' then return 'rejected', 'too little' end
		redis.call('RPUSH', KEYS[2], order.id .. ' ' .. order.fence .. ' ' .. order.owner)
		redis.call('INCRBY', KEYS[1], ARGV[1])
		return 'settled', 'counted'`)
)

func (b Bench) counter() string { return "{" + b.Keys().Partition() + "}:counter" }
func (b Bench) effects() string { return "{" + b.Keys().Partition() + "}:effects" }

// settlement of a claim by the counting effect.
func (b Bench) settlement(c claim.Claimed, arg any) claim.Settlement {
	return claim.Settlement{
		Held: claim.Held{ID: c.ID, Fence: c.Fence},
		Keys: []string{b.counter(), b.effects()}, Args: []any{arg},
	}
}

func (b Bench) place(t testing.TB, id string) {
	t.Helper()
	p, err := b.Place(ctx, claim.Placement{ID: id, Fingerprint: "fp", Message: []byte("message of " + id)})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "place "+id, p.Verdict, claim.Placed)
}

// deliver reads the deliveries that are due, and tells how many it expects.
func (b Bench) deliver(t testing.TB, want int) []claim.Delivery {
	t.Helper()
	ds, err := b.Queue.Read(ctx, 100, -1)
	if err != nil {
		t.Fatal(err)
	}
	if len(ds) != want {
		t.Fatalf("delivered %v, want %d", ds, want)
	}
	return ds
}

// redeliver takes all that is pending.
func (b Bench) redeliver(t testing.TB) []claim.Delivery {
	t.Helper()
	pending, err := b.Queue.Pending(ctx, 0, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for i := range pending {
		pending[i].Idle = 0
	}
	ds, err := b.Queue.Take(ctx, pending)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

func (b Bench) claim(t testing.TB, owner, id string) claim.Claimed {
	t.Helper()
	cs, err := b.Claim(ctx, owner, lease, []claim.Delivery{{ID: id, Count: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return cs[0]
}

// win claims an order and requires that it is won.
func (b Bench) win(t testing.TB, owner, id string) claim.Claimed {
	t.Helper()
	c := b.claim(t, owner, id)
	if c.Outcome != claim.Won {
		t.Fatalf("%s claims %s: %+v, want won", owner, id, c)
	}
	return c
}

func (b Bench) settle(t testing.TB, owner string, c claim.Claimed, arg any) claim.Ended {
	t.Helper()
	ends, err := b.Settle(ctx, owner, count, []claim.Settlement{b.settlement(c, arg)})
	if err != nil {
		t.Fatal(err)
	}
	return ends[0]
}

func (b Bench) release(t testing.TB, owner string, c claim.Claimed, reason string) claim.Released {
	t.Helper()
	rs, err := b.Release(ctx, owner, []claim.Failure{{Held: claim.Held{ID: c.ID, Fence: c.Fence}, Reason: reason}})
	if err != nil {
		t.Fatal(err)
	}
	return rs[0]
}

// expire ends the lease of a lock now, as time would.
func (b Bench) expire(t testing.TB, id string) {
	t.Helper()
	if err := b.Redis.Del(ctx, b.Keys().Lock(id)).Err(); err != nil {
		t.Fatal(err)
	}
}

func (b Bench) record(t testing.TB, id string) claim.Record {
	t.Helper()
	r, ok, err := b.Lookup(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		t.Fatalf("no record of %s", id)
	}
	return r
}

// happened requires how often the effect happened, by the counter and by the log.
func (b Bench) happened(t testing.TB, times int64) {
	t.Helper()
	n, err := b.Redis.LLen(ctx, b.effects()).Result()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "times the effect happened", n, times)
	counter, err := b.Redis.Get(ctx, b.counter()).Int64()
	if err != nil && err != redis.Nil { //nolint:errorlint // redis.Nil is never wrapped
		t.Fatal(err)
	}
	equal(t, "the counter", counter, times)
}

func (b Bench) backlog(t testing.TB, entries, pending int) {
	t.Helper()
	n, err := b.Backlog(ctx)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "entries in the stream", n, int64(entries))
	ps, err := b.Queue.Pending(ctx, 0, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "entries pending", len(ps), pending)
}

func (b Bench) letters(t testing.TB, want int) []claim.Letter {
	t.Helper()
	ls, err := b.Letters(ctx, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(ls) != want {
		t.Fatalf("dead letters %+v, want %d", ls, want)
	}
	return ls
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}
