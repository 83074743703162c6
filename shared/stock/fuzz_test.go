package stock_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/stock"
)

// An entry of the ledger that something else has written is refused, or read as a
// movement that names what moved.
func FuzzParseMovement(f *testing.F) {
	for _, s := range []string{"001 -2,b:c -1000000", "001 +5", "", ",", "001", "001 x", " -1", "001 -9223372036854775808,001 -1"} {
		f.Add("1719300000000-7", "29", "", s)
		f.Add("x", "", "r-1", s)
	}
	f.Fuzz(func(t *testing.T, entry, order, receipt, moves string) {
		m, err := stock.ParseMovement(redis.XMessage{ID: entry, Values: map[string]any{"order": order, "receipt": receipt, "moves": moves}})
		if err != nil {
			return
		}
		if (m.Order == "") == (m.Receipt == "") || len(m.Changes) == 0 {
			t.Errorf("%+v is no movement", m)
		}
		for sku := range m.Changes {
			if sku == "" {
				t.Errorf("%+v names no SKU", m)
			}
		}
	})
}
