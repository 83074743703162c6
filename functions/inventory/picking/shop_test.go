package picking

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
	"photofinish/shared/order"
	"photofinish/shared/stock"
)

const patience = 30 * time.Second // for what happens in milliseconds on an idle machine

// shop is a warehouse with goods on hand, and what a bridge does with its orders.
type shop struct {
	rdb    *redis.Client
	engine *claim.Engine
	queue  *claim.Queue
}

func newShop(t *testing.T, rdb *redis.Client) *shop {
	t.Helper()
	engine, err := claim.Open(rdb, "main", claim.Options{MaxDeliveries: 3})
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{rdb: rdb, engine: engine, queue: engine.Queue("bridge")}
	if err := s.queue.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := rdb.HSet(t.Context(), stock.Key("main"), "001", 1000, "few", 1).Err(); err != nil {
		t.Fatal(err)
	}
	return s
}

// place places an order of two pieces of a SKU.
func (s *shop) place(t *testing.T, id, sku string) {
	t.Helper()
	o := order.Order{ID: id, Warehouse: "main", Items: []order.Item{{SKU: sku, Quantity: 2}}}
	placed, err := s.engine.Place(t.Context(), claim.Placement{ID: id, Fingerprint: o.Fingerprint(), Message: o.Message()})
	if err != nil || placed.Verdict != claim.Placed {
		t.Fatalf("place %s: %v, %v", id, placed, err)
	}
}

// batch delivers what was placed.
func (s *shop) batch(t *testing.T) delivery.Batch {
	t.Helper()
	ds, err := s.queue.Read(t.Context(), delivery.MaxBatch, -1)
	if err != nil {
		t.Fatal(err)
	}
	return delivery.Batch{Warehouse: "main", Contenders: 1, Deliveries: ds}
}

// again delivers what is pending once more.
func (s *shop) again(t *testing.T) delivery.Batch {
	t.Helper()
	pending, err := s.queue.Pending(t.Context(), 0, "", delivery.MaxBatch)
	if err != nil {
		t.Fatal(err)
	}
	ds, err := s.queue.Take(t.Context(), pending)
	if err != nil {
		t.Fatal(err)
	}
	return delivery.Batch{Warehouse: "main", Contenders: 1, Deliveries: ds}
}

func (s *shop) record(t *testing.T, id string) claim.Record {
	t.Helper()
	r, ok, err := s.engine.Lookup(t.Context(), id)
	if err != nil || !ok {
		t.Fatalf("record of %s: %v, %v", id, ok, err)
	}
	return r
}

// moved tells how often each order took something from the stock.
func (s *shop) moved(t *testing.T) map[string]int {
	t.Helper()
	entries, err := s.rdb.XRange(t.Context(), stock.Ledger("main"), "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, e := range entries {
		m, err := stock.ParseMovement(e)
		if err != nil {
			t.Fatal(err)
		}
		times[m.Order]++
	}
	return times
}

// until polls for a condition that somebody else brings about.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !met(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
