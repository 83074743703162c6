package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/redis/go-redis/v9"
)

// settlements tells of each order that the ledger gets, by its id.
func settlements(ctx context.Context, a *app, seen func(id string)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	last := "0-0"
	if end, err := a.redis.XRevRangeN(ctx, "{main}:ledger", "+", "-", 1).Result(); err == nil && len(end) == 1 {
		last = end[0].ID
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			streams, err := a.redis.XRead(ctx, &redis.XReadArgs{Streams: []string{"{main}:ledger", last}, Count: 1000, Block: 200 * time.Millisecond}).Result()
			if err != nil {
				continue // nothing in that time
			}
			for _, m := range streams[0].Messages {
				last = m.ID
				if id, ok := m.Values["order"].(string); ok {
					seen(id)
				}
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// restock makes sure that a benchmark does not run out of goods.
func restock(a *app) {
	if status, _, body := a.send(http.MethodPost, "/inventory/001/receipts", fmt.Sprintf(`{"receiptId":"bench-%d","quantity":1000000}`, time.Now().UnixNano())); status != http.StatusCreated {
		a.t.Fatalf("receipt: %d %s", status, body)
	}
}

// One order at a time: from the POST to its entry in the ledger, as a client of
// both sees it.
func BenchmarkPostToSettled(b *testing.B) {
	needRedis(b)
	a := up(b, "--logs", "off")
	restock(a)
	settled := make(chan string, 1024)
	stop := settlements(b.Context(), a, func(id string) { settled <- id })
	defer stop()
	one := func(id string) time.Duration {
		start := time.Now()
		a.place(id, "001", 1)
		for got := range settled {
			if got == id {
				break
			}
		}
		return time.Since(start)
	}
	for i := range 200 { // warm: processes, connections
		one(fmt.Sprintf("warm-%d-%d", time.Now().UnixNano(), i))
	}
	latency := hdrhistogram.New(1, time.Minute.Microseconds(), 3)
	run := time.Now().UnixNano()
	b.ResetTimer()
	for i := range b.N {
		if err := latency.RecordValue(one(fmt.Sprintf("one-%d-%d", run, i)).Microseconds()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	for _, q := range []float64{50, 99} {
		b.ReportMetric(float64(latency.ValueAtQuantile(q))/1000, fmt.Sprintf("p%.0f-ms", q))
	}
	a.audit()
}

// Sixteen clients, through the whole path: orders settled a second.
func BenchmarkOrdersSettled16Clients(b *testing.B) {
	needRedis(b)
	a := up(b, "--logs", "off")
	restock(a)
	var wanted, count atomic.Int64
	all := make(chan struct{}, 1)
	stop := settlements(b.Context(), a, func(string) {
		if count.Add(1) == wanted.Load() {
			all <- struct{}{}
		}
	})
	defer stop()
	flood := func(n int) {
		run := time.Now().UnixNano()
		count.Store(0)
		wanted.Store(int64(n))
		var next atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for i := next.Add(1); i <= int64(n); i = next.Add(1) {
					a.place(fmt.Sprintf("f-%d-%d", run, i), "001", 1)
				}
			})
		}
		wg.Wait()
		<-all
	}
	flood(500) // warm
	b.ResetTimer()
	flood(b.N)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
	a.audit()
}
