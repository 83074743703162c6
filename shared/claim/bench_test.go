package claim_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

// take is an effect like that of an order on a stock: two levels and a ledger.
var take = claim.NewEffect("take", `
	for i = 1, #ARGV, 2 do
		if tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0) < tonumber(ARGV[i + 1]) then return 'rejected', ARGV[i] end
	end
	redis.call('XADD', KEYS[2], '*', 'order', order.id, 'fence', order.fence, 'owner', order.owner, 'moves', ARGV[1] .. ' -' .. ARGV[2] .. ',' .. ARGV[3] .. ' -' .. ARGV[4])
	redis.call('HINCRBY', KEYS[1], ARGV[1], '-' .. ARGV[2])
	redis.call('HINCRBY', KEYS[1], ARGV[3], '-' .. ARGV[4])
	return 'settled'`)

// bare makes the same writes as a claim and a settlement by take, for a batch,
// with no check and no answer: what Redis itself takes for them.
var bare = redis.NewScript(`
	local stream, stock, ledger = KEYS[1], KEYS[2], KEYS[3]
	for i = 4, #KEYS, 2 do
		local record, lock, a = KEYS[i], KEYS[i + 1], i - 3
		redis.call('SET', lock, '1:one', 'NX', 'PX', 60000)
		redis.call('HSET', record, 'claim', '1:one', 'tries', 1, 'racers', 1)
		redis.call('XADD', ledger, '*', 'order', ARGV[a], 'fence', 1, 'owner', 'one', 'moves', 'SKU-0001 -2,SKU-0002 -1')
		redis.call('HINCRBY', stock, 'SKU-0001', -2)
		redis.call('HINCRBY', stock, 'SKU-0002', -1)
		redis.call('HSET', record, 'state', 'settled', 'took', 5)
		redis.call('HDEL', record, 'entry')
		redis.call('EXPIRE', record, 604800)
		redis.call('DEL', lock)
		redis.call('XACK', stream, 'bridge', ARGV[a + 1])
		redis.call('XDEL', stream, ARGV[a + 1])
	end`)

const batch = 128

// BenchmarkBatch takes batches of 128 orders from the stream to their end, by one
// contender and by three that race for each, and by a single script that only
// makes the same writes: the ceiling. All alternate in one run, on one Redis.
func BenchmarkBatch(b *testing.B) {
	rdb := redistest.Server(b)
	s := newBenchShop(b, rdb)
	var ceiling, one, three time.Duration
	for b.Loop() {
		ceiling += s.measure(b, s.ceiling)
		one += s.measure(b, func(ds []claim.Delivery) { s.contend(b, "one", ds) })
		three += s.measure(b, func(ds []claim.Delivery) {
			var racing sync.WaitGroup
			for i := range 3 {
				racing.Go(func() {
					// Each starts with another part of the batch.
					from := i * len(ds) / 3
					s.contend(b, strconv.Itoa(i), append(ds[from:len(ds):len(ds)], ds[:from]...))
				})
			}
			racing.Wait()
		})
	}
	s.check(b)
	rate := func(d time.Duration) float64 { return float64(batch*b.N) / d.Seconds() }
	b.ReportMetric(rate(ceiling), "ceiling-orders/s")
	b.ReportMetric(rate(one), "one-orders/s")
	b.ReportMetric(rate(three), "three-orders/s")
	b.ReportMetric(ceiling.Seconds()/one.Seconds(), "one/ceiling")
	b.ReportMetric(ceiling.Seconds()/three.Seconds(), "three/ceiling")
	b.ReportMetric(0, "ns/op")
}

// benchShop is a partition with a stock.
type benchShop struct {
	rdb    *redis.Client
	engine *claim.Engine
	queue  *claim.Queue
	orders int
}

func newBenchShop(b testing.TB, rdb *redis.Client) *benchShop {
	e, err := claim.Open(rdb, "main", claim.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s := &benchShop{rdb: rdb, engine: e, queue: e.Queue("bench")}
	if err := s.queue.Join(ctx); err != nil {
		b.Fatal(err)
	}
	if err := rdb.HSet(ctx, "{main}:stock", "SKU-0001", 1<<40, "SKU-0002", 1<<40).Err(); err != nil {
		b.Fatal(err)
	}
	return s
}

var ctx = context.Background()

// measure places a batch, and times how long it takes from the stream to its end.
func (s *benchShop) measure(b testing.TB, end func([]claim.Delivery)) time.Duration {
	ps := make([]claim.Placement, batch)
	for i := range ps {
		s.orders++
		ps[i] = claim.Placement{
			ID:          fmt.Sprintf("0193f1a2-7e1b-7c3d-9a53-%012d", s.orders),
			Fingerprint: "jGoe3j8j0nUHoneUE6mlyw", Message: []byte(`{"SKU-0001":2,"SKU-0002":1}`),
		}
	}
	if _, err := s.engine.PlaceAll(ctx, ps); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	ds, err := s.queue.Read(ctx, batch, -1)
	if err != nil || len(ds) != batch {
		b.Fatal(len(ds), err)
	}
	end(ds)
	return time.Since(start)
}

func (s *benchShop) ceiling(ds []claim.Delivery) {
	keys := []string{s.engine.Keys().Stream(), "{main}:stock", "{main}:ledger"}
	var args []any
	for _, d := range ds {
		keys = append(keys, s.engine.Keys().Record(d.ID), s.engine.Keys().Lock(d.ID))
		args = append(args, d.ID, d.Entry)
	}
	if err := bare.Run(ctx, s.rdb, keys, args...).Err(); err != nil && err != redis.Nil { //nolint:errorlint // never wrapped
		panic(err)
	}
}

// contend claims a batch and settles what it has won.
func (s *benchShop) contend(b testing.TB, owner string, ds []claim.Delivery) {
	claims, err := s.engine.Claim(ctx, owner, time.Minute, ds)
	if err != nil {
		b.Error(err)
		return
	}
	var won []claim.Settlement
	for _, c := range claims {
		if c.Outcome == claim.Won {
			won = append(won, claim.Settlement{
				Held: claim.Held{ID: c.ID, Fence: c.Fence},
				Keys: []string{"{main}:stock", "{main}:ledger"}, Args: []any{"SKU-0001", 2, "SKU-0002", 1},
			})
		}
	}
	ends, err := s.engine.Settle(ctx, owner, take, won)
	if err != nil {
		b.Error(err)
	}
	for _, end := range ends {
		if end.State != claim.Settled {
			b.Errorf("%+v", end)
		}
	}
}

// check requires that every order has taken from the stock, once.
func (s *benchShop) check(b testing.TB) {
	left, err := s.rdb.HGet(ctx, "{main}:stock", "SKU-0001").Int()
	if err != nil || 1<<40-left != 2*s.orders {
		b.Errorf("%d units were taken by %d orders, %v", 1<<40-left, s.orders, err)
	}
	if n, err := s.engine.Backlog(ctx); err != nil || n != 0 {
		b.Errorf("%d orders are left, %v", n, err)
	}
}
