package fanout

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/order"
	"photofinish/shared/redistest"
)

func TestAnOrderIsAdmittedOnceByHoweverManyBridges(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		bridges := []*listener{admit(t, rdb, rdb, "main"), admit(t, rdb, rdb, "main"), admit(t, rdb, rdb, "main")}
		for range 5 {
			for i := range 10 {
				// As the article's order service sends it.
				publish(t, rdb, fmt.Sprintf(`{"id":"17193000000%02d","items":[{"id":"001","quantity":2},{"id":"002","quantity":1}]}`, i))
			}
			publish(t, rdb, `{"id":"1719300099999","orderId":"29","items":[{"id":"001","quantity":2}]}`)
		}
		marked(t, rdb, bridges...)
		if got := shop.backlog(t); len(got) != 11 {
			t.Errorf("placed: %v, want 11 orders", got)
		}
		items, err := order.Items(shop.record(t, "1719300000003").Message)
		if err != nil || len(items) != 2 || items[0] != (order.Item{SKU: "001", Quantity: 2}) {
			t.Errorf("items on record: %v, %v", items, err)
		}
		if shop.state("29") != claim.Accepted || shop.state("1719300099999") != "" {
			t.Error("an order with an orderId is not known by that")
		}
		var admitted int64
		for _, b := range bridges {
			admitted += b.admitted.Load()
		}
		if admitted != 11 || len(shop.buried(t, 0)) != 0 {
			t.Errorf("%d admitted, want 11", admitted)
		}
	})
}

func TestIdsThatCollideAreTwoOrders(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		l := admit(t, rdb, rdb, "main")
		one := `{"id":"1719300000000","items":[{"id":"001","quantity":1}]}`
		two := `{"id":"1719300000000","items":[{"id":"001","quantity":2}]}`
		publish(t, rdb, one, two, one, two)
		marked(t, rdb, l)
		got := shop.backlog(t)
		if len(got) != 2 || got[0] != "1719300000000" || !strings.HasPrefix(got[1], "1719300000000~") {
			t.Fatalf("placed: %v, want the order and one beside it", got)
		}
		var quantities []int64
		for _, id := range got {
			items, err := order.Items(shop.record(t, id).Message)
			if err != nil {
				t.Fatal(err)
			}
			quantities = append(quantities, items[0].Quantity)
		}
		if quantities[0] != 1 || quantities[1] != 2 {
			t.Errorf("quantities %v, want 1 and 2", quantities)
		}
		shop.buried(t, 0)
	})
}

func TestOwnAnnouncementsAreOnlyReplayed(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		l := admit(t, rdb, rdb, "main")
		o := order.Order{ID: "29", Warehouse: "main", Items: []order.Item{{SKU: "b", Quantity: 2}, {SKU: "a", Quantity: 1}}}
		placed, err := shop.engine.Place(t.Context(), claim.Placement{
			ID: o.ID, Fingerprint: o.Fingerprint(), Message: o.Message(), Channel: "order_updates", Announcement: o.Announcement(),
		})
		if err != nil || placed.Verdict != claim.Placed {
			t.Fatal(placed, err)
		}
		marked(t, rdb, l)
		if got := shop.backlog(t); len(got) != 1 {
			t.Errorf("placed: %v, want the one order", got)
		}
		if l.admitted.Load() != 0 || l.buried.Load() != 0 {
			t.Errorf("%d admitted, %d buried", l.admitted.Load(), l.buried.Load())
		}
		shop.buried(t, 0)
	})
}

func TestIdsMayBeNumbers(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		l := admit(t, rdb, rdb, "main")
		publish(t, rdb,
			`{"id":1719300000000,"items":[{"id":"001","quantity":1}]}`,
			`{"id":"1719300000000","items":[{"id":"001","quantity":1}]}`, // the same
			`{"orderId":29,"id":1719300000000,"items":[{"id":"001","quantity":1}]}`,
		)
		marked(t, rdb, l)
		if got := shop.backlog(t); len(got) != 2 || got[0] != "1719300000000" || got[1] != "29" {
			t.Errorf("placed: %v", got)
		}
	})
}
