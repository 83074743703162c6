package stock_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
	"photofinish/shared/stock"
)

func TestLevelsPageByPage(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		const skus, size = 2500, 500
		want := map[string]int64{}
		fields := []any{}
		for i := range skus {
			sku := fmt.Sprintf("sku-%04d", i)
			want[sku] = int64(i)
			fields = append(fields, sku, i)
		}
		if err := rdb.HSet(t.Context(), stock.Key("main"), fields...).Err(); err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		pages := 0
		for cursor := uint64(0); ; {
			levels, next, err := stock.Levels(t.Context(), rdb, "main", cursor, size)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.IsSortedFunc(levels, func(a, b stock.Level) int { return cmp.Compare(a.SKU, b.SKU) }) {
				t.Error("a page is not in the order of the SKUs")
			}
			for _, l := range levels {
				got[l.SKU] = l.OnHand // Redis may give one twice
			}
			if pages++; pages > 2*skus/size {
				t.Fatal("the pages have no end")
			}
			if cursor = next; cursor == 0 {
				break
			}
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// One page must not grow with the stock.
func TestAPageIsBounded(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	fields := []any{}
	for i := range 5000 {
		fields = append(fields, fmt.Sprint("sku-", i), i)
	}
	if err := rdb.HSet(t.Context(), stock.Key("main"), fields...).Err(); err != nil {
		t.Fatal(err)
	}
	levels, next, err := stock.Levels(t.Context(), rdb, "main", 0, 1000)
	if err != nil || next == 0 || len(levels) < 500 || len(levels) > 1500 {
		t.Errorf("%d levels, next %d, %v, want about 1000 and more to come", len(levels), next, err)
	}
}

func TestReadingTheStock(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		if levels, next, err := stock.Levels(t.Context(), rdb, "main", 0, 10); err != nil || next != 0 || len(levels) != 0 || levels == nil {
			t.Errorf("an empty warehouse: %#v, %d, %v", levels, next, err)
		}
		w := newWarehouse(t, rdb)
		w.set(t, "none", 0)
		w.set(t, "oversold", -1)
		for sku, want := range map[string]int64{"none": 0, "oversold": -1} {
			if n, found, err := stock.OnHand(t.Context(), rdb, "main", sku); err != nil || !found || n != want {
				t.Errorf("%s: %d, %v, %v", sku, n, found, err)
			}
		}
		if n, found, err := stock.OnHand(t.Context(), rdb, "main", "unknown"); err != nil || found || n != 0 {
			t.Errorf("unknown: %d, %v, %v", n, found, err)
		}
		if _, found, err := stock.OnHand(t.Context(), rdb, "elsewhere", "none"); err != nil || found {
			t.Errorf("in another warehouse: %v, %v", found, err)
		}

		w.set(t, "bad", strings.Repeat("x", 1000))
		_, found, one := stock.OnHand(t.Context(), rdb, "main", "bad")
		_, _, all := stock.Levels(t.Context(), rdb, "main", 0, 10)
		for _, err := range []error{one, all} {
			var corrupt *stock.CorruptError
			if !errors.As(err, &corrupt) || corrupt.SKU != "bad" || found || len(err.Error()) > 200 {
				t.Errorf("a corrupted level: %v, %v, want a *CorruptError", found, err)
			}
			if claim.Unavailable(err) {
				t.Error("a corrupted level is not a matter of trying again")
			}
		}

		rdb.Close()
		if _, _, err := stock.OnHand(t.Context(), rdb, "main", "none"); !claim.Unavailable(err) || !strings.HasPrefix(err.Error(), "stock: on hand: ") {
			t.Errorf("without Redis: %v", err)
		}
		if _, _, err := stock.Levels(t.Context(), rdb, "main", 0, 10); !claim.Unavailable(err) {
			t.Errorf("without Redis: %v", err)
		}
	})
}

func TestParseMovement(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1719300000000).UTC()
	for name, tt := range map[string]struct {
		id     string
		values map[string]any
		want   stock.Movement
		broken string
	}{
		"an order's": {
			"1719300000000-7", map[string]any{"order": "29", "fence": "12", "owner": "a.1", "moves": "001 -2,b:c -1000000"},
			stock.Movement{Entry: "1719300000000-7", At: at, Order: "29", Fence: 12, Owner: "a.1", Changes: map[string]int64{"001": -2, "b:c": -1_000_000}}, "",
		},
		"a receipt's": {
			"1719300000000-0", map[string]any{"receipt": "in-1", "moves": "001 +1000000000"},
			stock.Movement{Entry: "1719300000000-0", At: at, Receipt: "in-1", Changes: map[string]int64{"001": 1_000_000_000}}, "",
		},
		"one SKU in two moves": {
			"1719300000000-0", map[string]any{"receipt": "in-1", "moves": "001 +1,001 +2"},
			stock.Movement{Entry: "1719300000000-0", At: at, Receipt: "in-1", Changes: map[string]int64{"001": 3}}, "",
		},
		"nobody's":           {"1-1", map[string]any{"moves": "001 -2"}, stock.Movement{}, "neither an order's nor a receipt's"},
		"both":               {"1-1", map[string]any{"order": "29", "receipt": "in-1", "moves": "001 -2"}, stock.Movement{}, "neither an order's nor a receipt's"},
		"empty":              {"1-1", map[string]any{}, stock.Movement{}, "neither"},
		"nil":                {"1-1", nil, stock.Movement{}, "neither"},
		"without moves":      {"1-1", map[string]any{"order": "29"}, stock.Movement{}, `"" is not a movement`},
		"without units":      {"1-1", map[string]any{"order": "29", "moves": "001"}, stock.Movement{}, `"001" is not a movement`},
		"without a SKU":      {"1-1", map[string]any{"order": "29", "moves": " -2"}, stock.Movement{}, `" -2" is not a movement`},
		"units in words":     {"1-1", map[string]any{"order": "29", "moves": "001 -2,002 two"}, stock.Movement{}, `"002 two" is not a movement`},
		"a fraction":         {"1-1", map[string]any{"order": "29", "moves": "001 -0.5"}, stock.Movement{}, "is not a movement"},
		"three words":        {"1-1", map[string]any{"order": "29", "moves": "001 -2 -3"}, stock.Movement{}, "is not a movement"},
		"a comma at the end": {"1-1", map[string]any{"order": "29", "moves": "001 -2,"}, stock.Movement{}, `"" is not a movement`},
		"no text":            {"1-1", map[string]any{"order": 29, "moves": 1}, stock.Movement{}, "neither"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := stock.ParseMovement(redis.XMessage{ID: tt.id, Values: tt.values})
			if tt.broken != "" {
				if err == nil || !strings.Contains(err.Error(), tt.broken) || !strings.Contains(err.Error(), "ledger entry "+tt.id) {
					t.Errorf("%+v, %v, want an error with the entry and …%s…", got, err, tt.broken)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
