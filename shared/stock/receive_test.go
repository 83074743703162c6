package stock_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
	"photofinish/shared/stock"
)

var ignoreEntry = cmpopts.IgnoreFields(stock.Movement{}, "Entry", "At")

func equalJSON(t *testing.T, got, want string) {
	t.Helper()
	var a, b any
	if err := errors.Join(json.Unmarshal([]byte(got), &a), json.Unmarshal([]byte(want), &b)); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if diff := cmp.Diff(b, a); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReceivingGoods(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		w := newWarehouse(t, rdb)
		for _, tt := range []struct {
			id       string
			quantity int64
			onHand   int64
			replayed bool
		}{
			{"r1", 1, 1, false},
			{"r2", stock.MaxReceipt, stock.MaxReceipt + 1, false},
			{"r1", 1, 1, true}, // what was on hand then, not now
			{"r2", stock.MaxReceipt, stock.MaxReceipt + 1, true},
			{"r3", 4, stock.MaxReceipt + 5, false},
		} {
			onHand, replayed, err := stock.Receive(t.Context(), w.Engine, stock.Receipt{ID: tt.id, SKU: "001", Quantity: tt.quantity})
			if err != nil || onHand != tt.onHand || replayed != tt.replayed {
				t.Errorf("%s: %d, %v, %v, want %d, %v", tt.id, onHand, replayed, err, tt.onHand, tt.replayed)
			}
		}
		for _, other := range []stock.Receipt{{ID: "r1", SKU: "001", Quantity: 2}, {ID: "r1", SKU: "002", Quantity: 1}} {
			if _, _, err := stock.Receive(t.Context(), w.Engine, other); !errors.Is(err, stock.ErrConflict) {
				t.Errorf("%+v: %v, want ErrConflict", other, err)
			}
		}
		if diff := cmp.Diff(map[string]string{"001": fmt.Sprint(stock.MaxReceipt + 5)}, w.levels(t)); diff != "" {
			t.Errorf("levels: (-want +got)\n%s", diff)
		}
		if diff := cmp.Diff([]stock.Movement{
			{Receipt: "r1", Changes: map[string]int64{"001": 1}},
			{Receipt: "r2", Changes: map[string]int64{"001": stock.MaxReceipt}},
			{Receipt: "r3", Changes: map[string]int64{"001": 4}},
		}, w.movements(t), ignoreEntry); diff != "" {
			t.Errorf("ledger: (-want +got)\n%s", diff)
		}
	})
}

func TestTheMostOnHandIsExact(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		w := newWarehouse(t, rdb)
		w.set(t, "001", int64(stock.MaxOnHand-2))
		receive := func(id string, quantity int64) (int64, error) {
			onHand, _, err := stock.Receive(t.Context(), w.Engine, stock.Receipt{ID: id, SKU: "001", Quantity: quantity})
			return onHand, err
		}
		var refused *stock.RefusedError
		if _, err := receive("r1", 3); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "more than 1000000000000 would be on hand") {
			t.Errorf("one too many: %v, want a *RefusedError", err)
		}
		// It was not received, so its id is still free, for less too.
		if onHand, err := receive("r1", 1); err != nil || onHand != stock.MaxOnHand-1 {
			t.Errorf("%d, %v, want %d", onHand, err, int64(stock.MaxOnHand-1))
		}
		if onHand, err := receive("r2", 1); err != nil || onHand != stock.MaxOnHand {
			t.Errorf("%d, %v, want %d", onHand, err, int64(stock.MaxOnHand))
		}
		if _, err := receive("r3", 1); !errors.As(err, &refused) {
			t.Errorf("one more than the most: %v, want a *RefusedError", err)
		}
		if onHand, found, err := stock.OnHand(t.Context(), rdb, "main", "001"); err != nil || !found || onHand != stock.MaxOnHand {
			t.Errorf("on hand %d, %v, %v", onHand, found, err)
		}
		if m := w.movements(t); len(m) != 2 {
			t.Errorf("the ledger has %+v, want the two that were received", m)
		}
	})
}

func TestReceivingOnACorruptedLevelFailsAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		w := newWarehouse(t, rdb)
		for i, level := range corrupted {
			w.set(t, "001", level)
			id := fmt.Sprint("r", i)
			_, _, err := stock.Receive(t.Context(), w.Engine, stock.Receipt{ID: id, SKU: "001", Quantity: 1})
			var refused *stock.RefusedError
			if err == nil || errors.As(err, &refused) || claim.Unavailable(err) || !strings.Contains(err.Error(), "not a whole number: "+level) {
				t.Errorf("level %q: %T %v, want an error that is neither a refusal nor a matter of trying again", level, err, err)
			}
			if got := w.levels(t)["001"]; got != level {
				t.Errorf("level %q is now %q", level, got)
			}
			if n := rdb.Exists(t.Context(), w.Keys().Receipt(id)).Val(); n != 0 {
				t.Errorf("level %q: a record of the receipt was kept", level)
			}
		}
		if m := w.movements(t); len(m) != 0 {
			t.Errorf("the ledger says %+v", m)
		}
	})
}

func TestReceivingIntoAFullRedis(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	w := newWarehouse(t, rdb)
	if _, _, err := stock.Receive(t.Context(), w.Engine, stock.Receipt{ID: "r1", SKU: "001", Quantity: 5}); err != nil {
		t.Fatal(err)
	}
	if err := rdb.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := stock.Receive(t.Context(), w.Engine, stock.Receipt{ID: "r2", SKU: "001", Quantity: 1}); !claim.Unavailable(err) {
		t.Errorf("%T %v, want an error that says to try again", err, err)
	}
	if onHand, replayed, err := stock.Receive(t.Context(), w.Engine, stock.Receipt{ID: "r1", SKU: "001", Quantity: 5}); err != nil || !replayed || onHand != 5 {
		t.Errorf("a replay: %d, %v, %v", onHand, replayed, err)
	}
	if levels, m := w.levels(t), w.movements(t); levels["001"] != "5" || len(m) != 1 {
		t.Errorf("half was written: %v, %+v", levels, m)
	}
	if err := rdb.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if onHand, replayed, err := stock.Receive(t.Context(), w.Engine, stock.Receipt{ID: "r2", SKU: "001", Quantity: 1}); err != nil || replayed || onHand != 6 {
		t.Errorf("the same again, with room: %d, %v, %v", onHand, replayed, err)
	}
}
