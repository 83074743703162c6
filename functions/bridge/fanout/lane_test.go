package fanout

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/delivery"
	"photofinish/shared/redistest"
)

func TestABatchGoesToEveryContender(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		s := quick()
		c, seen := contend(s, shop.racer().race)
		b := start(t, rdb, s, c)
		shop.place(t, "001", "29")
		shop.settled(t, "29")
		shop.empty(t)
		b.stop(t)
		var lanes []int
		for _, batch := range seen.batches() {
			if batch.Warehouse != "main" || batch.Contenders != 3 || len(batch.Deliveries) != 1 || batch.Deliveries[0].ID != "29" || batch.Deliveries[0].Count != 1 {
				t.Errorf("a contender was handed %+v", batch)
			}
			lanes = append(lanes, batch.Lane)
		}
		slices.Sort(lanes)
		if !slices.Equal(lanes, []int{0, 1, 2}) {
			t.Errorf("lanes %v, want 0, 1 and 2", lanes)
		}
	})
}

func TestTheBatchGrowsWithTheBacklog(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	shop := newShop(t, rdb, "main")
	s := quick()
	s.Fanout, s.InFlight, s.BatchMax = 1, 1, 40
	racer := shop.racer()
	held, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c, seen := contend(s, func(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
		if b.Deliveries[0].ID == "hold" {
			once.Do(func() { close(held) })
			<-release
		}
		return racer.race(ctx, b)
	})
	start(t, rdb, s, c)

	for _, id := range ids("idle", 5) {
		shop.place(t, "001", id)
		shop.settled(t, id)
	}
	for i, b := range seen.batches() {
		if len(b.Deliveries) != 1 {
			t.Errorf("batch %d of an idle bridge has %d orders", i, len(b.Deliveries))
		}
	}
	idle := seen.count()

	// While the only batch that may be out is, orders gather.
	shop.place(t, "001", "hold")
	<-held
	shop.place(t, "001", ids("busy", 50)...)
	close(release)
	shop.settled(t, ids("busy", 50)...)
	var sizes []int
	for _, b := range seen.batches()[idle:] {
		sizes = append(sizes, len(b.Deliveries))
	}
	if !slices.Equal(sizes, []int{1, 40, 10}) {
		t.Errorf("sizes of batches: %v, want 1, then 40 at most", sizes)
	}
}

func TestAnIdleWarehouseTakesNothingFromABusyOne(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	s := quick()
	s.InFlight, s.BatchMax, s.Warehouses = 1, 1, []string{"north", "south", "main"}
	shop := newShop(t, rdb, "main")
	c, _ := contend(s, shop.racer().race)
	start(t, rdb, s, c)
	orders := ids("order", 60)
	begun := time.Now()
	shop.place(t, "001", orders...)
	shop.settled(t, orders...)
	// A read that finds nothing takes a second. If the busy warehouse had to wait
	// for those of the others, this would take a minute or two.
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("%d batches took %v beside two idle warehouses", len(orders), took)
	}
}

func TestTwoBridgesShareTheWork(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		racer := shop.racer()
		orders := ids("order", 100)
		shop.place(t, "001", orders...)
		// Neither goes on until the other has something in hand as well.
		both := make(chan struct{})
		var arrived sync.WaitGroup
		arrived.Add(2)
		go func() { arrived.Wait(); close(both) }()
		s := quick()
		s.InFlight, s.BatchMax = 1, 5
		for range 2 {
			var once sync.Once
			c, _ := contend(s, func(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
				once.Do(arrived.Done)
				<-both
				return racer.race(ctx, b)
			})
			start(t, rdb, s, c)
		}
		shop.settled(t, orders...)
		shop.empty(t)
		if letters := shop.buried(t, 0); len(letters) != 0 {
			t.Errorf("dead letters: %v", letters)
		}
	})
}

func TestABridgeThatIsKilledIsTakenOverFrom(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		orders := ids("order", 30)
		shop.place(t, "001", orders...)
		killed := shop.engine.Queue("killed")
		if err := killed.Join(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ds, err := killed.Read(t.Context(), 20, -1); err != nil || len(ds) != 20 {
			t.Fatalf("read %v, %v", ds, err)
		}
		s := quick()
		s.RedeliverAt = 50 * time.Millisecond
		for range 2 {
			c, _ := contend(s, shop.racer().race)
			start(t, rdb, s, c)
		}
		shop.settled(t, orders...)
		shop.empty(t)
	})
}
