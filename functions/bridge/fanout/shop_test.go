package fanout

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/order"
	"photofinish/shared/stock"
)

const patience = 60 * time.Second // for what happens in milliseconds on an idle machine

// shop is a warehouse with goods on hand.
type shop struct {
	rdb    *redis.Client
	engine *claim.Engine
}

func newShop(t *testing.T, rdb *redis.Client, warehouse string) *shop {
	t.Helper()
	engine, err := claim.Open(rdb, warehouse, claim.Options{MaxDeliveries: 3})
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{rdb, engine}
	s.fill(t)
	return s
}

func (s *shop) fill(t *testing.T) {
	t.Helper()
	if err := s.rdb.HSet(t.Context(), stock.Key(s.warehouse()), "001", 1_000_000, "bad", "abc").Err(); err != nil {
		t.Fatal(err)
	}
}

func (s *shop) warehouse() string { return s.engine.Keys().Partition() }

func (s *shop) order(id, sku string) order.Order {
	return order.Order{ID: id, Warehouse: s.warehouse(), Items: []order.Item{{SKU: sku, Quantity: 1}}}
}

// place places orders of one piece of a SKU.
func (s *shop) place(t *testing.T, sku string, ids ...string) {
	t.Helper()
	var ps []claim.Placement
	for _, id := range ids {
		o := s.order(id, sku)
		ps = append(ps, claim.Placement{ID: id, Fingerprint: o.Fingerprint(), Message: o.Message()})
	}
	placed, err := s.engine.PlaceAll(t.Context(), ps)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range placed {
		if p.Verdict != claim.Placed {
			t.Fatalf("place %s: %v", ids[i], p)
		}
	}
}

// ids are n names of orders.
func ids(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	return all
}

func (s *shop) record(t *testing.T, id string) claim.Record {
	t.Helper()
	r, ok, err := s.engine.Lookup(t.Context(), id)
	if err != nil || !ok {
		t.Fatalf("record of %s: %v, %v", id, ok, err)
	}
	return r
}

// state is "" for an order that is not on record.
func (s *shop) state(id string) claim.State {
	r, _, err := s.engine.Lookup(context.Background(), id)
	if err != nil {
		return ""
	}
	return r.State
}

// settled waits until orders are settled, and requires that each took from the
// stock once.
func (s *shop) settled(t *testing.T, ids ...string) {
	t.Helper()
	for _, id := range ids {
		until(t, id+" to be settled", func() bool { return s.state(id) == claim.Settled })
	}
	entries, err := s.rdb.XRange(t.Context(), stock.Ledger(s.warehouse()), "-", "+").Result()
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
	for _, id := range ids {
		if times[id] != 1 {
			t.Errorf("%s took from the stock %d times", id, times[id])
		}
	}
}

// buried waits until there are as many dead letters, and returns their reasons.
func (s *shop) buried(t *testing.T, n int) map[string]string {
	t.Helper()
	reasons := map[string]string{}
	until(t, fmt.Sprint(n, " dead letters"), func() bool {
		letters, err := s.engine.Letters(t.Context(), "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		clear(reasons)
		for _, l := range letters {
			reasons[l.ID] = l.Reason
		}
		return len(letters) >= n
	})
	if len(reasons) != n {
		t.Fatalf("dead letters %v, want %d", reasons, n)
	}
	return reasons
}

// empty waits until nothing is left in the stream or pending.
func (s *shop) empty(t *testing.T) {
	t.Helper()
	until(t, "the stream to be empty", func() bool {
		n, err := s.engine.Backlog(t.Context())
		return err == nil && n == 0 && len(s.pending(t)) == 0
	})
}

func (s *shop) pending(t *testing.T) []claim.Pending {
	t.Helper()
	ps, err := s.engine.Queue("observer").Pending(t.Context(), 0, "", 1000)
	if err != nil && !claim.NoGroup(err) {
		t.Fatal(err)
	}
	return ps
}

func (s *shop) consumers(t *testing.T) []redis.XInfoConsumer {
	t.Helper()
	cs, err := s.rdb.XInfoConsumers(t.Context(), s.engine.Keys().Stream(), s.engine.Options().Group).Result()
	if err != nil {
		t.Fatal(err)
	}
	return cs
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

func (s *shop) racer() *racer { return racerOn(s.rdb, 10*time.Second) }

// backlog are the ids of the orders in the stream.
func (s *shop) backlog(t *testing.T) []string {
	t.Helper()
	entries, err := s.rdb.XRange(t.Context(), s.engine.Keys().Stream(), "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.Values["id"].(string))
	}
	return ids
}
