package fanout

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/delivery"
	"photofinish/shared/redistest"
)

// What cannot even be buried, since its id cannot be one, is not in the way.
func TestAnEntryThatIsNoOrderHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	shop := newShop(t, rdb, "main")
	stray := func(id string) {
		if err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: shop.engine.Keys().Stream(), Values: []string{"id", id}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	stray("{x}")
	if err := rdb.Set(t.Context(), shop.engine.Keys().Record("broken"), "no hash", 0).Err(); err != nil {
		t.Fatal(err)
	}
	stray("broken")
	shop.place(t, "bad", "poison")
	shop.place(t, "001", "29")
	// As the inventory function does, with an error for the batch as a whole.
	racer := shop.racer()
	s := quick()
	c, _ := contend(s, func(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
		a, err := racer.race(ctx, b)
		if err != nil {
			return a, crash{}
		}
		return a, nil
	})
	b := start(t, rdb, s, c)
	shop.settled(t, "29")
	until(t, "both to be given up", func() bool { return len(b.log.lines(t, "order not buried")) >= 2 })
	shop.place(t, "bad", "poison-2")
	reasons := shop.buried(t, 2)
	if reasons["poison"] == "" || reasons["poison-2"] == "" {
		t.Errorf("reasons: %v", reasons)
	}
}

func TestStrayEntriesAreCleared(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		add := func(id string) {
			if err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: shop.engine.Keys().Stream(), Values: []string{"id", id}}).Err(); err != nil {
				t.Fatal(err)
			}
		}
		c, _ := contend(quick(), shop.racer().race)
		b := start(t, rdb, quick(), c)
		shop.place(t, "001", "29")
		shop.settled(t, "29")
		add("29")      // it has ended
		add("unknown") // it was never placed
		reasons := shop.buried(t, 1)
		if !strings.Contains(reasons["unknown"], "no record") {
			t.Errorf("reasons: %v", reasons)
		}
		shop.empty(t)
		shop.settled(t, "29")
		until(t, "it to be logged", func() bool {
			got := b.log.lines(t, "entry without an order")
			return len(got) == 1 && got[0]["order"] == "unknown"
		})
	})
}

// An entry that somebody deleted, or trimmed away, is not pending for ever, even
// if it has no delivery left.
func TestADeletedEntryIsLetGo(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		shop.place(t, "001", "29")
		killed := shop.engine.Queue("killed")
		if err := killed.Join(t.Context()); err != nil {
			t.Fatal(err)
		}
		ds, err := killed.Read(t.Context(), 1, -1)
		if err != nil || len(ds) != 1 {
			t.Fatalf("%v, %v", ds, err)
		}
		if err := rdb.XDel(t.Context(), shop.engine.Keys().Stream(), ds[0].Entry).Err(); err != nil {
			t.Fatal(err)
		}
		s := quick()
		s.MaxDeliveries, s.InvokeTimeout, s.RedeliverAt = 1, 50*time.Millisecond, 50*time.Millisecond
		c, _ := contend(s, shop.racer().race)
		start(t, rdb, s, c)
		shop.empty(t)
	})
}
