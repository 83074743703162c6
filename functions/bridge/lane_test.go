package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
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

func TestAContenderThatNeverAnswersKeepsOneSlot(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	shop := newShop(t, rdb, "main")
	s := quick()
	s.Fanout, s.InFlight = 2, 2
	racer := shop.racer()
	frozen, thaw := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	c, _ := contend(s, func(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
		if b.Lane == 0 && first.CompareAndSwap(false, true) {
			close(frozen)
			<-thaw
		}
		return racer.race(ctx, b)
	})
	start(t, rdb, s, c)
	shop.place(t, "001", "29")
	<-frozen
	// Of four slots three are left: enough for a batch at a time.
	for _, id := range ids("other", 10) {
		shop.place(t, "001", id)
		shop.settled(t, id)
	}
	shop.settled(t, "29") // by the other contender
	close(thaw)
	shop.empty(t)
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
		s.InFlight, s.BatchMax, s.RedeliverAt = 1, 5, patience
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
		for range 2 {
			c, _ := contend(s, shop.racer().race)
			start(t, rdb, s, c)
		}
		shop.settled(t, orders...)
		shop.empty(t)
	})
}

func TestAStopWaitsForWhatWasHandedOut(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		s := quick()
		racer := shop.racer()
		var out sync.WaitGroup
		out.Add(s.Fanout)
		release := make(chan struct{})
		c, seen := contend(s, func(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
			out.Done()
			<-release
			return racer.race(ctx, b)
		})
		b := start(t, rdb, s, c)
		shop.place(t, "001", "29")
		out.Wait()
		b.end()
		until(t, "the bridge to drain", func() bool { return len(b.log.lines(t, "draining")) == 1 })
		select {
		case err := <-b.ended:
			t.Fatalf("the bridge ended (%v) before what it had handed out", err)
		default:
		}
		close(release)
		b.stop(t)
		shop.settled(t, "29")
		shop.empty(t)
		if cs := shop.consumers(t); len(cs) != 0 {
			t.Errorf("consumers left: %v", cs)
		}
		if alive, err := shop.engine.Alive(t.Context()); err != nil || alive {
			t.Errorf("a sign of life is left: %v, %v", alive, err)
		}
		if n := seen.count(); n != s.Fanout {
			t.Errorf("%d invocations, want %d", n, s.Fanout)
		}
	})
}

func TestWhatAStopCutsOffIsTakenOver(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	shop := newShop(t, rdb, "main")
	s := quick()
	out := make(chan struct{}, s.Fanout)
	c, _ := contend(s, func(ctx context.Context, _ delivery.Batch) (delivery.Answer, error) {
		out <- struct{}{}
		<-ctx.Done()
		return delivery.Answer{}, ctx.Err()
	})
	log := &logs{}
	lanes, err := open(rdb, s, c, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	soft, stop := context.WithCancel(context.Background())
	hard, kill := context.WithCancel(context.Background())
	defer stop()
	defer kill()
	ended := make(chan error, 1)
	go func() { ended <- lanes[0].run(soft, hard) }()
	shop.place(t, "001", "29")
	for range s.Fanout {
		<-out
	}
	stop()
	kill()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("the lane did not end")
	}
	// Redis would forget what a consumer that is removed has pending.
	if n := len(shop.pending(t)); n != 1 || len(shop.consumers(t)) != 1 {
		t.Fatalf("%d pending of %d consumers, want the order of the one", n, len(shop.consumers(t)))
	}
	other, _ := contend(s, shop.racer().race)
	start(t, rdb, s, other)
	shop.settled(t, "29")
	shop.empty(t)
}

func TestAFlushIsSurvived(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		s := quick()
		c, _ := contend(s, shop.racer().race)
		start(t, rdb, s, c)
		shop.place(t, "001", "before")
		shop.settled(t, "before")
		for round := range 3 {
			if err := rdb.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			shop.fill(t)
			after := ids(fmt.Sprint("after-", round), 5)
			shop.place(t, "001", after...)
			shop.settled(t, after...)
			shop.empty(t)
		}
	})
}

func TestRedisGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	server := redistest.Server(t)
	link := redistest.NewLink(t, server)
	rdb := redis.NewClient(&redis.Options{Addr: link.Addr, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = rdb.Close() })
	shop := newShop(t, server, "main")
	s := quick()
	c, _ := contend(s, racerOn(rdb, 300*time.Millisecond).race) // the contenders lose it as well
	b := start(t, rdb, s, c)
	for round := range 3 {
		before, during := ids(fmt.Sprint("before-", round), 50), ids(fmt.Sprint("during-", round), 50)
		shop.place(t, "001", before...) // some are in hand when it goes
		link.Cut()
		warned := len(b.log.lines(t, "orders not read"))
		until(t, "the bridge to notice", func() bool { return len(b.log.lines(t, "orders not read")) > warned })
		shop.place(t, "001", during...)
		link.Mend(t)
		shop.settled(t, before...)
		shop.settled(t, during...)
	}
	shop.empty(t)
	if letters := shop.buried(t, 0); len(letters) != 0 {
		t.Errorf("dead letters: %v", letters)
	}
}

func TestRedisThatIsAwayAtTheStartIsWaitedFor(t *testing.T) {
	t.Parallel()
	server := redistest.Server(t)
	link := redistest.NewLink(t, server)
	link.Cut()
	rdb := redis.NewClient(&redis.Options{Addr: link.Addr, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = rdb.Close() })
	shop := newShop(t, server, "main")
	s := quick()
	c, _ := contend(s, shop.racer().race)
	shop.place(t, "001", "29")
	b := start(t, rdb, s, c)
	until(t, "the bridge to notice", func() bool { return len(b.log.lines(t, "redis is not available")) > 1 })
	link.Mend(t)
	shop.settled(t, "29")

	// One that is stopped meanwhile just ends.
	link.Cut()
	idle := start(t, rdb, s, c)
	until(t, "the second to notice", func() bool { return len(idle.log.lines(t, "redis is not available")) > 0 })
	idle.stop(t)
	link.Mend(t)
}
