package fanout

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/delivery"
	"photofinish/shared/redistest"
)

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
		case <-time.After(3 * readBlock / 2): // by then it would have, without that
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
	s.RedeliverAt = 50 * time.Millisecond
	other, _ := contend(s, shop.racer().race)
	start(t, rdb, s, other)
	shop.settled(t, "29")
	shop.empty(t)
}
