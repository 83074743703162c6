package order_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photofinish/shared/order"
)

// seeds are what publishers and clients send, and what has broken parsers.
var seeds = []string{
	`{"orderId":"29","items":[{"id":"001","quantity":2},{"id":"002","quantity":1}]}`,
	`{"id":"1719300000000","orderId":"29","items":[{"id":"001","quantity":2}]}`,
	`{"id":1719300000000,"items":[{"id":"001","quantity":2}],"warehouse":"east","customer":{"a":[1,null]}}`,
	`{"001":2,"002":1}`,
	`{"orderId":null,"warehouse":null,"id":null,"items":[null]}`,
	`{"items":[{"id":"001","quantity":1e9}],"itemſ":[],"ITEMS":{}}`,
	`{"items":[{"id":"a}{b","quantity":-0.5}]}`,
	`{"001":2,"001":3,"":1}`,
	"xx", "null", "[]", `""`, "{}", "{\"id\":\"\xff\"}", `[[[[[[[[`, `{"orderId":"\ud800"}`,
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := order.Parse(body)
		var broken *order.FieldError
		if err != nil && (!errors.As(err, &broken) || broken.Rule == "" || len(err.Error()) > 400) {
			t.Fatalf("an error that a client cannot use: %v", err)
		}
		if err == nil {
			lives(t, o)
		}
	})
}

func FuzzParseForeign(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		foreign, err := order.ParseForeign(message, "main")
		switch {
		case err != nil:
			if !errors.Is(err, order.ErrNoOrder) {
				t.Fatalf("%v, want ErrNoOrder", err)
			}
		case !order.ValidID(foreign.Order.ID) || !order.ValidWarehouse(foreign.Order.Warehouse):
			t.Fatalf("%+v cannot be kept", foreign.Order)
		case foreign.Flaw == "":
			lives(t, foreign.Order)
		case foreign.Order.Items != nil || len(foreign.Flaw) > 300:
			t.Fatalf("flawed, with items %v, flaw %q", foreign.Order.Items, foreign.Flaw)
		}
	})
}

func FuzzItems(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		items, err := order.Items(message)
		if err != nil {
			return
		}
		again, err := order.Items(order.Order{Items: items}.Message())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(items, again); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

// lives requires that an accepted order is kept and announced without loss.
func lives(t *testing.T, o order.Order) {
	t.Helper()
	items, err := order.Items(o.Message())
	if err != nil {
		t.Fatalf("the message of %+v cannot be read: %v", o, err)
	}
	if diff := cmp.Diff(sorted(o.Items), items); diff != "" {
		t.Fatalf("what is kept of %+v: (-want +got)\n%s", o, diff)
	}
	if o.ID == "" {
		o.ID = "x"
	}
	if o.Warehouse == "" {
		o.Warehouse = "main"
	}
	again, err := order.Parse(o.Announcement())
	if err != nil {
		t.Fatalf("the announcement of %+v: %v", o, err)
	}
	if diff := cmp.Diff(o, again); diff != "" || o.Fingerprint() != again.Fingerprint() {
		t.Fatalf("the announcement: (-want +got)\n%s", diff)
	}
}
