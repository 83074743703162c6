package fanout

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

func TestAContenderThatCrashesWithAClaimIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		racer := racerOn(rdb, 200*time.Millisecond)
		var crashed atomic.Bool
		racer.claimed = func(_ string, won []claim.Claimed) error {
			if len(won) > 0 && crashed.CompareAndSwap(false, true) {
				return crash{}
			}
			return nil
		}
		c, _ := contend(quick(), racer.race)
		start(t, rdb, quick(), c)
		shop.place(t, "001", "29")
		shop.settled(t, "29")
		shop.empty(t)
		// The crash counts, the deliveries that found the lock still held do not.
		if r := shop.record(t, "29"); r.Fence != 2 || r.Deliveries != 2 {
			t.Errorf("settled with fence %d at delivery %d, want the second of both", r.Fence, r.Deliveries)
		}
	})
}

func TestAnOrderThatAnotherHoldsIsNotCounted(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		shop.place(t, "001", "29")
		// Somebody has claimed it and is gone; its lease goes on for a while.
		if cs, err := shop.engine.Claim(t.Context(), "gone", 400*time.Millisecond, []claim.Delivery{{ID: "29", Count: 1}}); err != nil || cs[0].Outcome != claim.Won {
			t.Fatalf("%v, %v", cs, err)
		}
		s := quick()
		s.MaxDeliveries = 1
		c, seen := contend(s, shop.racer().race)
		start(t, rdb, s, c)
		shop.settled(t, "29")
		shop.empty(t)
		if r := shop.record(t, "29"); r.Deliveries != 1 || seen.count() < 2*s.Fanout {
			t.Errorf("settled at delivery %d after %d invocations, want at the first that counts", r.Deliveries, seen.count())
		}
	})
}

func TestPoisonBecomesADeadLetterAlone(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		orders := ids("order", 20)
		shop.place(t, "001", orders[:10]...)
		shop.place(t, "bad", "poison")
		shop.place(t, "001", orders[10:]...)
		// What a contender gives up need not wait for the end of its lease, though
		// the others saw the lock.
		c, seen := contend(quick(), racerOn(rdb, time.Hour).race)
		start(t, rdb, quick(), c)
		shop.settled(t, orders...)
		reasons := shop.buried(t, 1)
		if !strings.Contains(reasons["poison"], "the stock of bad is not a whole number: abc") {
			t.Errorf("reasons: %v", reasons)
		}
		shop.empty(t)
		if r := shop.record(t, "poison"); r.State != claim.Dead || r.Deliveries != 3 {
			t.Errorf("the poison: %s at delivery %d, want dead at the third", r.State, r.Deliveries)
		}
		for _, id := range orders {
			if r := shop.record(t, id); r.Deliveries != 1 {
				t.Errorf("%s was settled at delivery %d: the poison held it up", id, r.Deliveries)
			}
		}
		for _, b := range seen.batches() {
			if b.Deliveries[0].Count > 1 && len(b.Deliveries) != 1 {
				t.Errorf("delivered again in a batch of %d", len(b.Deliveries))
			}
		}
	})
}

func TestAnOrderThatCrashesEveryContenderBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		racer := racerOn(rdb, 100*time.Millisecond)
		racer.claimed = func(_ string, won []claim.Claimed) error {
			for _, c := range won {
				if c.ID == "bomb" {
					return crash{}
				}
			}
			return nil
		}
		orders := ids("order", 10)
		shop.place(t, "001", orders[:5]...)
		shop.place(t, "001", "bomb")
		shop.place(t, "001", orders[5:]...)
		c, _ := contend(quick(), racer.race)
		b := start(t, rdb, quick(), c)
		shop.settled(t, orders...)
		reasons := shop.buried(t, 1)
		if !strings.Contains(reasons["bomb"], "Runtime.ExitError") {
			t.Errorf("reasons: %v", reasons)
		}
		shop.empty(t)
		if r := shop.record(t, "bomb"); r.State != claim.Dead || r.Deliveries < 3 {
			t.Errorf("the bomb: %s at delivery %d, want dead at the third", r.State, r.Deliveries)
		}
		late := ids("late", 3)
		shop.place(t, "001", late...)
		shop.settled(t, late...)
		until(t, "it to be logged", func() bool {
			got := b.log.lines(t, "dead letter")
			return len(got) == 1 && got[0]["order"] == "bomb"
		})
	})
}
