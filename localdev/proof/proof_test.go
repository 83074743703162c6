package proof_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/localdev/proof"
	"photofinish/shared/claim"
	"photofinish/shared/order"
	"photofinish/shared/redistest"
	"photofinish/shared/stock"
)

var ctx = context.Background()

// shop is a warehouse in use, by the means of the application.
type shop struct {
	*claim.Engine
	rdb   *redis.Client
	queue *claim.Queue
}

func openShop(t *testing.T, rdb *redis.Client) shop {
	t.Helper()
	e, err := claim.Open(rdb, "main", claim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := shop{e, rdb, e.Queue("bridge")}
	must(t, s.queue.Join(ctx))
	_, _, err = stock.Receive(ctx, e, stock.Receipt{ID: "in-1", SKU: "001", Quantity: 10})
	must(t, err)
	return s
}

func (s shop) place(t *testing.T, id string, quantity int64) {
	t.Helper()
	o := order.Order{ID: id, Warehouse: "main", Items: []order.Item{{SKU: "001", Quantity: quantity}}}
	_, err := s.Place(ctx, claim.Placement{ID: id, Fingerprint: o.Fingerprint(), Message: o.Message()})
	must(t, err)
}

func (s shop) claimed(t *testing.T, id string) claim.Claimed {
	t.Helper()
	cs, err := s.Claim(ctx, "A", time.Minute, []claim.Delivery{{ID: id, Count: 1}})
	must(t, err)
	return cs[0]
}

func (s shop) settle(t *testing.T, id string) claim.Ended {
	t.Helper()
	s.place(t, id, 2)
	_, err := s.queue.Read(ctx, 10, -1)
	must(t, err)
	c := s.claimed(t, id)
	items, err := order.Items(c.Message)
	must(t, err)
	ends, err := s.Settle(ctx, "A", stock.Take, []claim.Settlement{stock.Settlement("main", claim.Held{ID: id, Fence: c.Fence}, items)})
	must(t, err)
	return ends[0]
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAWarehouseInUseHolds(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := openShop(t, rdb)
		s.settle(t, "settled")
		s.place(t, "greedy", 1000)
		_, err := s.queue.Read(ctx, 10, -1)
		must(t, err)
		c := s.claimed(t, "greedy")
		_, err = s.Settle(ctx, "A", stock.Take, []claim.Settlement{stock.Settlement("main", claim.Held{ID: "greedy", Fence: c.Fence}, []order.Item{{SKU: "001", Quantity: 1000}})})
		must(t, err)
		_, err = s.Place(ctx, claim.Placement{ID: "bad", Fingerprint: "x", Variant: "bad~x", Flaw: "items: is required"})
		must(t, err)
		s.place(t, "waiting", 1)
		s.place(t, "in-hand", 1)
		s.claimed(t, "in-hand")

		r, err := proof.Audit(ctx, rdb, nil)
		must(t, err)
		if !r.Holds() || len(r.Warehouses) != 1 {
			t.Fatalf("findings %v in %+v", r.Findings, r.Warehouses)
		}
		w := r.Warehouses[0]
		got := fmt.Sprint(w.Placed, w.Settled, w.Rejected, w.Dead, w.Waiting, w.Receipts, w.Locks, w.SKUs)
		if want := "5 1 1 1 2 1 1 [{001 10 2 8}]"; got != want {
			t.Errorf("counted %s, want %s", got, want)
		}
		var out bytes.Buffer
		must(t, r.Print(&out))
		if !strings.Contains(out.String(), "Exactly once: holds") {
			t.Errorf("printed:\n%s", &out)
		}
	})
}

func TestAnEmptyRedisHolds(t *testing.T) {
	r, err := proof.Audit(ctx, redistest.Embedded(t), nil)
	must(t, err)
	if !r.Holds() || len(r.Warehouses) != 0 {
		t.Fatalf("%+v", r)
	}
}

func TestAnOrderWhoseRecordHasExpiredHolds(t *testing.T) {
	s := openShop(t, redistest.Embedded(t))
	s.settle(t, "old")
	must(t, s.rdb.Del(ctx, "{main}:order:old").Err())
	r, err := proof.Audit(ctx, s.rdb, nil)
	must(t, err)
	if !r.Holds() || r.Warehouses[0].Expired != 1 {
		t.Fatalf("%+v", r)
	}
}

func TestAnIDPlacedAgainAfterItsRecordHasExpiredHolds(t *testing.T) {
	s := openShop(t, redistest.Embedded(t))
	s.settle(t, "old")
	must(t, s.rdb.Del(ctx, "{main}:order:old").Err())
	before := time.Now().UnixMilli()
	for time.Now().UnixMilli() == before { // the next life begins in another millisecond
		runtime.Gosched()
	}
	s.settle(t, "old")
	r, err := proof.Audit(ctx, s.rdb, nil)
	must(t, err)
	if !r.Holds() || r.Warehouses[0].Settled != 1 {
		t.Fatalf("%+v", r)
	}
	must(t, s.rdb.Del(ctx, "{main}:order:old").Err())
	if r, err = proof.Audit(ctx, s.rdb, nil); err != nil || !r.Holds() {
		t.Fatalf("%+v, %v", r, err)
	}
}

// Each contradiction is made by hand, and has to be found and named.
func TestContradictionsAreFound(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(t *testing.T, s shop)
		want  string
	}{
		{"settled twice", func(t *testing.T, s shop) {
			s.settle(t, "29")
			must(t, s.rdb.XAdd(ctx, &redis.XAddArgs{Stream: "{main}:ledger", Values: []string{"order", "29", "fence", "2", "owner", "B", "moves", "001 -2"}}).Err())
			must(t, s.rdb.HIncrBy(ctx, "{main}:stock", "001", -2).Err())
		}, "order 29: settled 2 times"},
		{"settled without a trace", func(t *testing.T, s shop) {
			s.settle(t, "29")
			must(t, s.rdb.Del(ctx, "{main}:ledger").Err())
		}, "order 29: is settled, but the ledger has no entry of it"},
		{"changed the stock without being settled", func(t *testing.T, s shop) {
			s.settle(t, "29")
			must(t, s.rdb.HSet(ctx, "{main}:order:29", "state", "rejected").Err())
		}, "order 29: is rejected, yet the stock was changed"},
		{"settled by another claim than the record says", func(t *testing.T, s shop) {
			s.settle(t, "29")
			must(t, s.rdb.HSet(ctx, "{main}:order:29", "claim", "7:A").Err())
		}, "order 29: was settled by A with fence 7, but the ledger says A with fence 1"},
		{"took other items than were asked for", func(t *testing.T, s shop) {
			s.settle(t, "29")
			must(t, s.rdb.HSet(ctx, "{main}:order:29", "msg", `{"001":3}`).Err())
		}, "order 29: asked for"},
		{"stranded: accepted and not in the stream", func(t *testing.T, s shop) {
			s.place(t, "29", 1)
			must(t, s.rdb.Del(ctx, "{main}:orders").Err())
		}, "order 29: is accepted, but has no entry in the stream"},
		{"accepted and about to expire", func(t *testing.T, s shop) {
			s.place(t, "29", 1)
			must(t, s.rdb.Expire(ctx, "{main}:order:29", time.Hour).Err())
		}, "order 29: is accepted, but its record will expire"},
		{"dead without a letter", func(t *testing.T, s shop) {
			_, err := s.Place(ctx, claim.Placement{ID: "29", Fingerprint: "x", Variant: "29~x", Flaw: "why"})
			must(t, err)
			must(t, s.rdb.Del(ctx, "{main}:dead").Err())
		}, "order 29~x: is dead, but has no dead letter"},
		{"dead without a reason", func(t *testing.T, s shop) {
			_, err := s.Place(ctx, claim.Placement{ID: "29", Fingerprint: "x", Variant: "29~x", Flaw: "why"})
			must(t, err)
			must(t, s.rdb.HDel(ctx, "{main}:order:29~x", "err").Err())
		}, "order 29~x: is dead, and nothing says why"},
		{"a lock without an order", func(t *testing.T, s shop) {
			must(t, s.rdb.Set(ctx, "{main}:lock:ghost", "1:A", time.Hour).Err())
		}, "order ghost: there is a lock (1:A), but no such order"},
		{"a lock of an ended order", func(t *testing.T, s shop) {
			s.settle(t, "29")
			must(t, s.rdb.Set(ctx, "{main}:lock:29", "1:A", time.Hour).Err())
		}, "order 29: is settled, yet its lock is there"},
		{"in the stream without having been placed", func(t *testing.T, s shop) {
			must(t, s.rdb.XAdd(ctx, &redis.XAddArgs{Stream: "{main}:orders", Values: []string{"id", "ghost"}}).Err())
		}, "order ghost: is in the stream"},
		{"in the stream after its end", func(t *testing.T, s shop) {
			s.settle(t, "29")
			must(t, s.rdb.XAdd(ctx, &redis.XAddArgs{Stream: "{main}:orders", Values: []string{"id", "29"}}).Err())
		}, "order 29: is settled, yet it is in the stream"},
		{"stock that does not add up", func(t *testing.T, s shop) {
			s.settle(t, "29")
			must(t, s.rdb.HSet(ctx, "{main}:stock", "001", "9").Err())
		}, "SKU 001: 10 received − 2 settled = 8, but 9 on hand"},
		{"stock out of nowhere", func(t *testing.T, s shop) {
			must(t, s.rdb.HSet(ctx, "{main}:stock", "777", "5").Err())
		}, "SKU 777: 0 received − 0 settled = 0, but 5 on hand"},
		{"stock that is no number", func(t *testing.T, s shop) {
			must(t, s.rdb.HSet(ctx, "{main}:stock", "777", "a few").Err())
		}, `SKU 777: "a few" is on hand, which is no number`},
		{"a ledger that makes no sense", func(t *testing.T, s shop) {
			must(t, s.rdb.XAdd(ctx, &redis.XAddArgs{Stream: "{main}:ledger", Values: []string{"moves", "001 -2"}}).Err())
		}, "is neither an order's nor a receipt's"},
		{"a state that does not exist", func(t *testing.T, s shop) {
			s.place(t, "29", 1)
			must(t, s.rdb.HSet(ctx, "{main}:order:29", "state", "lost").Err())
		}, `order 29: has the unknown state "lost"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := openShop(t, redistest.Embedded(t))
			c.spoil(t, s)
			r, err := proof.Audit(ctx, s.rdb, nil)
			must(t, err)
			var out bytes.Buffer
			must(t, r.Print(&out))
			if r.Holds() || !strings.Contains(out.String(), c.want) {
				t.Errorf("want a finding with %q, got:\n%s", c.want, &out)
			}
		})
	}
}

// Keys of idempotent handlers are no orders, whether they have ended or not.
func TestKeysOfHandlersAreOnlyCounted(t *testing.T) {
	rdb := redistest.Embedded(t)
	s := openShop(t, rdb)
	s.settle(t, "29")
	for _, id := range []string{"pay:1", "pay:2"} {
		b, err := s.Begin(ctx, id, "f", "A", time.Minute)
		must(t, err)
		if id == "pay:1" {
			_, err = s.Settle(ctx, "A", claim.Respond, []claim.Settlement{{Held: b.Held(), Result: "{}"}})
			must(t, err)
		}
	}
	report, err := proof.Audit(ctx, rdb, nil)
	must(t, err)
	if w := report.Warehouses[0]; !report.Holds() || w.Placed != 1 || w.Handlers != 2 {
		t.Errorf("%+v, want 1 order and 2 keys, and nothing found", report)
	}
}
