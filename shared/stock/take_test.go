package stock_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/order"
	"photofinish/shared/redistest"
	"photofinish/shared/stock"
)

// warehouse is one with an engine, and all that can be seen of it.
type warehouse struct {
	*claim.Engine
	rdb *redis.Client
}

func newWarehouse(t *testing.T, rdb *redis.Client) warehouse {
	t.Helper()
	e, err := claim.Open(rdb, "main", claim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Queue("one").Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	return warehouse{e, rdb}
}

func (w warehouse) set(t *testing.T, sku string, level any) {
	t.Helper()
	if err := w.rdb.HSet(t.Context(), stock.Key("main"), sku, level).Err(); err != nil {
		t.Fatal(err)
	}
}

func (w warehouse) levels(t *testing.T) map[string]string {
	t.Helper()
	levels, err := w.rdb.HGetAll(t.Context(), stock.Key("main")).Result()
	if err != nil {
		t.Fatal(err)
	}
	return levels
}

func (w warehouse) movements(t *testing.T) (all []stock.Movement) {
	t.Helper()
	entries, err := w.rdb.XRange(t.Context(), stock.Ledger("main"), "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		m, err := stock.ParseMovement(e)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// take places an order, wins it and settles it.
func (w warehouse) take(t *testing.T, id string, items ...order.Item) claim.Ended {
	t.Helper()
	o := order.Order{ID: id, Warehouse: "main", Items: items}
	if _, err := w.Place(t.Context(), claim.Placement{ID: id, Fingerprint: o.Fingerprint(), Message: o.Message()}); err != nil {
		t.Fatal(err)
	}
	claims, err := w.Claim(t.Context(), "A", claim.DefaultRetention, []claim.Delivery{{ID: id, Count: 1}})
	if err != nil || claims[0].Outcome != claim.Won {
		t.Fatalf("claim %s: %+v, %v", id, claims, err)
	}
	s := stock.Settlement("main", claim.Held{ID: id, Fence: claims[0].Fence}, items)
	ends, err := w.Settle(t.Context(), "A", stock.Take, []claim.Settlement{s})
	if err != nil {
		t.Fatal(err)
	}
	return ends[0]
}

func TestTakingGoods(t *testing.T) {
	t.Parallel()
	const most = order.MaxQuantity
	for name, tt := range map[string]struct {
		levels map[string]any
		items  []order.Item
		state  claim.State
		result string // of a rejected order
		left   map[string]string
	}{
		"some":            {map[string]any{"a": 5}, []order.Item{{SKU: "a", Quantity: 2}}, claim.Settled, "", map[string]string{"a": "3"}},
		"the last":        {map[string]any{"a": 2}, []order.Item{{SKU: "a", Quantity: 2}}, claim.Settled, "", map[string]string{"a": "0"}},
		"several":         {map[string]any{"a": 2, "b": 9, "c": 1}, []order.Item{{SKU: "b", Quantity: 1}, {SKU: "a", Quantity: 1}}, claim.Settled, "", map[string]string{"a": "1", "b": "8", "c": "1"}},
		"the most":        {map[string]any{"a": most}, []order.Item{{SKU: "a", Quantity: most}}, claim.Settled, "", map[string]string{"a": "0"}},
		"of very many":    {map[string]any{"a": int64(stock.MaxOnHand)}, []order.Item{{SKU: "a", Quantity: 1}}, claim.Settled, "", map[string]string{"a": "999999999999"}},
		"one too many":    {map[string]any{"a": 1}, []order.Item{{SKU: "a", Quantity: 2}}, claim.Rejected, `{"id":"a","onHand":1,"wanted":2}`, map[string]string{"a": "1"}},
		"never received":  {nil, []order.Item{{SKU: "a", Quantity: 1}}, claim.Rejected, `{"id":"a","onHand":0,"wanted":1}`, map[string]string{}},
		"none left":       {map[string]any{"a": 0}, []order.Item{{SKU: "a", Quantity: most}}, claim.Rejected, `{"id":"a","onHand":0,"wanted":1000000}`, map[string]string{"a": "0"}},
		"oversold before": {map[string]any{"a": -3}, []order.Item{{SKU: "a", Quantity: 1}}, claim.Rejected, `{"id":"a","onHand":-3,"wanted":1}`, map[string]string{"a": "-3"}},
		"the last is short, so nothing is taken": {
			map[string]any{"a": 5, "b": 5, "c": 0}, []order.Item{{SKU: "a", Quantity: 1}, {SKU: "b", Quantity: 1}, {SKU: "c", Quantity: 1}},
			claim.Rejected, `{"id":"c","onHand":0,"wanted":1}`, map[string]string{"a": "5", "b": "5", "c": "0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
				w := newWarehouse(t, rdb)
				for sku, level := range tt.levels {
					w.set(t, sku, level)
				}
				end := w.take(t, "29", tt.items...)
				if end.Outcome != claim.Done || end.State != tt.state {
					t.Fatalf("%+v, want %s", end, tt.state)
				}
				if tt.result != "" {
					equalJSON(t, end.Result, tt.result)
				}
				if diff := cmp.Diff(tt.left, w.levels(t)); diff != "" {
					t.Errorf("levels: (-want +got)\n%s", diff)
				}
				var want []stock.Movement
				if tt.state == claim.Settled {
					changes := map[string]int64{}
					for _, item := range tt.items {
						changes[item.SKU] = -item.Quantity
					}
					want = []stock.Movement{{Order: "29", Fence: 1, Owner: "A", Changes: changes}}
				}
				if diff := cmp.Diff(want, w.movements(t), ignoreEntry); diff != "" {
					t.Errorf("ledger: (-want +got)\n%s", diff)
				}
			})
		})
	}
}

// corrupted are levels that Redis can hold, but neither add to nor take from, or
// that Lua's numbers cannot hold.
var corrupted = []string{"abc", "", "1.5", "5.0", "1e3", "0x10", " 5", "5 ", "+5", "007", "-0", "inf", "nan", "9007199254740993", "99999999999999999999", "5\n"}

func TestACorruptedLevelFailsAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		w := newWarehouse(t, rdb)
		for i, level := range corrupted {
			w.set(t, "good", 10)
			w.set(t, "bad", level)
			before := w.levels(t)
			id := fmt.Sprint("order-", i)
			end := w.take(t, id, order.Item{SKU: "good", Quantity: 1}, order.Item{SKU: "bad", Quantity: 1})
			if end.Outcome != claim.Failed || !strings.Contains(end.Reason, "the stock of bad is not a whole number: "+level) {
				t.Errorf("level %q: %+v, want failed, with the level", level, end)
			}
			if diff := cmp.Diff(before, w.levels(t)); diff != "" {
				t.Errorf("level %q: (-before +after)\n%s", level, diff)
			}
			if r, _, err := w.Lookup(t.Context(), id); err != nil || r.State != claim.Accepted {
				t.Errorf("level %q: %+v, %v, want still accepted", level, r, err)
			}
		}
		if m := w.movements(t); len(m) != 0 {
			t.Errorf("the ledger says %+v", m)
		}
	})
}

// However many orders want them, no more units go than there are.
func TestNoMoreIsTakenThanThereIs(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		w := newWarehouse(t, rdb)
		w.set(t, "a", 10)
		states := map[claim.State]int{}
		for i := range 8 {
			states[w.take(t, fmt.Sprint("order-", i), order.Item{SKU: "a", Quantity: 3}).State]++
		}
		if states[claim.Settled] != 3 || states[claim.Rejected] != 5 || w.levels(t)["a"] != "1" || len(w.movements(t)) != 3 {
			t.Errorf("%v, left %v, %d movements", states, w.levels(t), len(w.movements(t)))
		}
	})
}
