package claim_test

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

// What is kept of a settled order, its entry in the ledger included, is bounded:
// it is kept for days.
func TestMemoryOfASettledOrder(t *testing.T) {
	const batches, most = 150, 450
	rdb := redistest.Server(t)
	s := newBenchShop(t, rdb)
	settle := func() {
		s.measure(t, func(ds []claim.Delivery) {
			for _, owner := range []string{"abcdef01234567.123", "abcdef01234568.123", "abcdef01234569.123"} {
				s.contend(t, owner, ds)
			}
		})
	}
	settle() // what is there once: the stream, the group, the scripts
	before := usedMemory(t, rdb)
	for range batches {
		settle()
	}
	each := (usedMemory(t, rdb) - before) / (batches * batch)
	t.Logf("%d bytes for a settled order with two items", each)
	if each > most {
		t.Errorf("a settled order with two items takes %d bytes, more than %d", each, most)
	}
	s.check(t)
}

func usedMemory(t *testing.T, rdb *redis.Client) int {
	t.Helper()
	info, err := rdb.Info(ctx, "memory").Result()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(info, "used_memory:")
	text, _, _ := strings.Cut(rest, "\r\n")
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A batch costs three round trips, however many orders it has: read, claim, settle.
func TestRoundTripsOfABatch(t *testing.T) {
	rdb := redistest.Server(t)
	s := newBenchShop(t, rdb)
	s.measure(t, func(ds []claim.Delivery) { s.contend(t, "one", ds) }) // Redis learns the scripts
	var trips roundTrips
	s.measure(t, func(ds []claim.Delivery) { // measure has read them already
		rdb.AddHook(&trips)
		s.contend(t, "one", ds)
	})
	if n := trips.n.Load() + 1; n != 3 {
		t.Errorf("a batch of %d took %d round trips, want 3", batch, n)
	}
}

// roundTrips counts what a client sends to Redis.
type roundTrips struct{ n atomic.Int64 }

func (r *roundTrips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r *roundTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		r.n.Add(1)
		return next(ctx, cmd)
	}
}

func (r *roundTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		r.n.Add(1)
		return next(ctx, cmds)
	}
}
