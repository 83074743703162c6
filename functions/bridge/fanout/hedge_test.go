package fanout

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
	"photofinish/shared/redistest"
)

// hedged hands a batch of one order out in hedge mode and returns the lanes that
// were asked, once all slots are free again.
func hedged(t *testing.T, p95 time.Duration, race func(ctx context.Context, b delivery.Batch) (delivery.Answer, error)) []int {
	t.Helper()
	shop := newShop(t, redistest.Server(t), "main")
	shop.place(t, "001", "29")
	s := quick()
	s.FanoutMode = "hedge"
	racer := shop.racer()
	c, seen := contend(s, func(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
		if race != nil {
			if _, err := race(ctx, b); err != nil {
				return delivery.Answer{}, err
			}
		}
		return racer.race(ctx, b)
	})
	c.observe(p95)
	slots := semaphore.NewWeighted(int64(s.Fanout))
	l := newLane(shop.engine, "me", s, c, slots, (&logs{}).logger())
	if err := l.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	ds, err := l.queue.Read(t.Context(), 1, -1)
	if err != nil || len(ds) != 1 {
		t.Fatalf("%v, %v", ds, err)
	}
	if err := slots.Acquire(t.Context(), int64(s.Fanout)); err != nil {
		t.Fatal(err)
	}
	l.handOut(t.Context(), ds, func() { slots.Release(1) })
	l.flights.Wait()
	if !slots.TryAcquire(int64(s.Fanout)) {
		t.Error("not all slots were released")
	}
	shop.settled(t, "29")
	var lanes []int
	for _, b := range seen.batches() {
		lanes = append(lanes, b.Lane)
	}
	slices.Sort(lanes)
	return lanes
}

func TestHedging(t *testing.T) {
	t.Parallel()
	t.Run("the first answers in time", func(t *testing.T) {
		t.Parallel()
		if got := hedged(t, time.Hour, nil); !slices.Equal(got, []int{0}) {
			t.Errorf("lanes %v were asked, want the first only", got)
		}
	})
	t.Run("the first takes longer than most", func(t *testing.T) {
		t.Parallel()
		others := make(chan struct{}, 2)
		got := hedged(t, time.Millisecond, func(_ context.Context, b delivery.Batch) (delivery.Answer, error) {
			if b.Lane != 0 {
				others <- struct{}{}
				return delivery.Answer{}, nil
			}
			// It goes on only when both others were asked.
			<-others
			<-others
			return delivery.Answer{}, nil
		})
		if !slices.Equal(got, []int{0, 1, 2}) {
			t.Errorf("lanes %v were asked, want all", got)
		}
	})
	t.Run("the first fails", func(t *testing.T) {
		t.Parallel()
		got := hedged(t, time.Hour, func(_ context.Context, b delivery.Batch) (delivery.Answer, error) {
			if b.Lane == 0 {
				return delivery.Answer{}, errors.New("throttled")
			}
			return delivery.Answer{}, nil
		})
		if !slices.Equal(got, []int{0, 1, 2}) {
			t.Errorf("lanes %v were asked, want all", got)
		}
	})
}

func TestPatienceFollowsTheAnswers(t *testing.T) {
	t.Parallel()
	c, _ := contend(quick(), nil)
	if got := c.patience(); got != minHedge {
		t.Errorf("with no answer yet: %v, want %v", got, minHedge)
	}
	for range 95 {
		c.observe(40 * time.Millisecond)
	}
	for range 5 {
		c.observe(time.Minute)
	}
	if got := c.patience(); got < 39*time.Millisecond || got > 41*time.Millisecond {
		t.Errorf("most within 40ms: %v", got)
	}
	for range 1000 {
		c.observe(time.Minute)
	}
	if got := c.patience(); got != maxHedge {
		t.Errorf("most within a minute: %v, want %v at most", got, maxHedge)
	}
	c.observe(100 * time.Hour) // out of range is no harm
}

// An order that the first contender is still at is not held up by the others,
// and a hedging bridge settles all that it is given.
func TestAHedgingBridge(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	shop := newShop(t, rdb, "main")
	s := quick()
	s.FanoutMode = "hedge"
	c, seen := contend(s, shop.racer().race)
	c.observe(time.Hour)
	start(t, rdb, s, c)
	orders := ids("order", 30)
	for _, id := range orders {
		shop.place(t, "001", id)
		shop.settled(t, id)
	}
	shop.empty(t)
	if n := seen.count(); n > len(orders)+len(orders)/3 {
		t.Errorf("%d invocations for %d orders, want about one each", n, len(orders))
	}
	for _, id := range orders {
		if r := shop.record(t, id); r.State != claim.Settled {
			t.Errorf("%s is %s", id, r.State)
		}
	}
}
