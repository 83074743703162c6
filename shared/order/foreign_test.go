package order_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photofinish/shared/order"
)

func TestForeignOrders(t *testing.T) {
	t.Parallel()
	const items = `"items":[{"id":"001","quantity":2}]`
	one := []order.Item{{SKU: "001", Quantity: 2}}
	for name, tt := range map[string]struct {
		message string
		want    order.Order
		ownID   bool
	}{
		"orderId":                   {`{"orderId":"29",` + items + `}`, order.Order{ID: "29", Items: one}, true},
		"id":                        {`{"id":"1719300000000",` + items + `}`, order.Order{ID: "1719300000000", Items: one}, false},
		"id a number, as Date.now":  {`{"id":1719300000000,` + items + `}`, order.Order{ID: "1719300000000", Items: one}, false},
		"id a number as written":    {`{"id":1.50,` + items + `}`, order.Order{ID: "1.50", Items: one}, false},
		"orderId a number":          {`{"orderId":29,` + items + `}`, order.Order{ID: "29", Items: one}, true},
		"both: orderId wins":        {`{"id":"1719300000000","orderId":"29",` + items + `}`, order.Order{ID: "29", Items: one}, true},
		"both, the other way round": {`{"orderId":"29",` + items + `,"id":1719300000000}`, order.Order{ID: "29", Items: one}, true},
		"orderId empty":             {`{"orderId":"","id":"7",` + items + `}`, order.Order{ID: "7", Items: one}, false},
		"orderId null":              {`{"orderId":null,"id":"7",` + items + `}`, order.Order{ID: "7", Items: one}, false},
		"orderId an object":         {`{"orderId":{},"id":"7",` + items + `}`, order.Order{ID: "7", Items: one}, false},
		"warehouse":                 {`{"orderId":"29","warehouse":"east",` + items + `}`, order.Order{ID: "29", Warehouse: "east", Items: one}, true},
		"unknown fields":            {`{"orderId":"29","customer":{"name":"x","vip":[true]},"items":[{"id":"001","quantity":2,"price":1.5}],"__proto__":null}`, order.Order{ID: "29", Items: one}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := order.ParseForeign([]byte(tt.message), "main")
			if err != nil {
				t.Fatal(err)
			}
			if tt.want.Warehouse == "" {
				tt.want.Warehouse = "main"
			}
			if diff := cmp.Diff(order.Foreign{Order: tt.want, OwnID: tt.ownID, Raw: []byte(tt.message)}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			// It is the same order whoever sends it.
			if got.Fingerprint() != tt.want.Fingerprint() {
				t.Error("the fingerprint is not that of the order")
			}
		})
	}
}

func TestFlawedForeignOrdersAreKeptWithTheirFlaw(t *testing.T) {
	t.Parallel()
	const none = "unidentified"
	const items = `"items":[{"id":"001","quantity":2}]`
	for name, tt := range map[string]struct{ message, id, flaw string }{
		"no id":               {`{` + items + `}`, none, "neither orderId nor id"},
		"id null":             {`{"id":null,` + items + `}`, none, "neither orderId nor id"},
		"no items":            {`{"orderId":"29"}`, "29", "items: is required"},
		"items null":          {`{"id":29,"items":null}`, "29", "items: must not be empty"},
		"items empty":         {`{"id":29,"items":[]}`, "29", "items: must not be empty"},
		"items a string":      {`{"id":29,"items":"001"}`, "29", "items: must be an array, not a string"},
		"items an object":     {`{"id":29,"items":{}}`, "29", "items: must be an array, not an object"},
		"item a number":       {`{"id":29,"items":[1]}`, "29", "must be an object, not a number"},
		"too many items":      {`{"id":29,"items":` + list(order.MaxItems+1) + `}`, "29", "at most 100"},
		"negative":            {`{"orderId":"29","items":[{"id":"001","quantity":-2}]}`, "29", "items[0].quantity: must be a whole number"},
		"a fraction":          {`{"orderId":"29","items":[{"id":"001","quantity":0.5}]}`, "29", "quantity: must be a whole number"},
		"quantity a string":   {`{"orderId":"29","items":[{"id":"001","quantity":"2"}]}`, "29", "must be a whole number, not a string"},
		"SKU twice":           {`{"orderId":"29","items":[{"id":"1","quantity":2},{"id":"1","quantity":2}]}`, "29", "already"},
		"SKU with a comma":    {`{"orderId":"29","items":[{"id":"1,2","quantity":2}]}`, "29", "items[0].id"},
		"id with a brace":     {`{"orderId":"a}{b",` + items + `}`, none, "the id"},
		"id with the tilde":   {`{"orderId":"29~x",` + items + `}`, none, "the id"},
		"id negative":         {`{"id":-1,` + items + `}`, none, "the id"},
		"id half a surrogate": {`{"id":"\ud800",` + items + `}`, none, "the id"},
		"id very long":        {`{"id":"` + strings.Repeat("x", 100_000) + `",` + items + `}`, none, "the id"},
		"id one too long":     {`{"id":"` + strings.Repeat("x", order.MaxID+1) + `",` + items + `}`, none, "the id"},
		"bad warehouse":       {`{"orderId":"29","warehouse":"a}",` + items + `}`, "29", "the warehouse"},
		"very long warehouse": {`{"orderId":"29","warehouse":"` + strings.Repeat("x", 100_000) + `",` + items + `}`, "29", "the warehouse"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := order.ParseForeign([]byte(tt.message), "main")
			if err != nil {
				t.Fatal(err)
			}
			if got.Order.ID != tt.id || !strings.Contains(got.Flaw, tt.flaw) || len(got.Flaw) > 300 {
				t.Errorf("id %q, flaw %q, want %q and …%q…", got.Order.ID, got.Flaw, tt.id, tt.flaw)
			}
			if got.Order.Items != nil || got.Order.Warehouse != "main" || string(got.Raw) != tt.message {
				t.Errorf("warehouse %q, items %v, %d bytes raw", got.Order.Warehouse, got.Order.Items, len(got.Raw))
			}
			// What is kept is found again when it comes again, and only then.
			again, err := order.ParseForeign([]byte(tt.message), "main")
			if err != nil || again.Fingerprint() != got.Fingerprint() {
				t.Errorf("again: %q, %v", again.Fingerprint(), err)
			}
			other, err := order.ParseForeign([]byte(tt.message+" "), "main")
			if err != nil || other.Fingerprint() == got.Fingerprint() {
				t.Errorf("another message has the same fingerprint, %v", err)
			}
			if variant := order.Variant(got.Order.ID, got.Fingerprint()); order.ValidID(variant) || len(variant) > 200 {
				t.Errorf("a client could name the variant %q for an order", variant)
			}
		})
	}
}

func TestMessagesThatAreNoOrder(t *testing.T) {
	t.Parallel()
	object := `{"orderId":"29","items":[{"id":"001","quantity":2}],"pad":""}`
	for name, message := range map[string]string{
		"nothing": "", "text": "xx", "null": "null", "array": "[]", "string": `""`, "number": "29", "true": "true",
		"empty object":      "{}",
		"object of others":  `{"type":"ping"}`,
		"only nulls":        `{"id":null,"orderId":null}`,
		"cut off":           object[:30],
		"two":               object + object,
		"invalid UTF-8":     "{\"orderId\":\"\xff\"}",
		"deep":              `{"id":` + strings.Repeat("[", 100_000),
		"a string of 1 MB":  `"` + strings.Repeat("x", 1<<20) + `"`,
		"one byte too long": strings.Replace(object, `""`, `"`+strings.Repeat("x", order.MaxForeign+1-len(object))+`"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := order.ParseForeign([]byte(message), "main")
			if !errors.Is(err, order.ErrNoOrder) || got.Raw != nil {
				t.Fatalf("%+v, %v, want ErrNoOrder", got, err)
			}
			if len(err.Error()) > 200 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
	longest := strings.Replace(object, `""`, `"`+strings.Repeat("x", order.MaxForeign-len(object))+`"`, 1)
	if f, err := order.ParseForeign([]byte(longest), "main"); err != nil || f.Flaw != "" || len(longest) != order.MaxForeign {
		t.Errorf("%d bytes: flaw %q, %v", len(longest), f.Flaw, err)
	}
}
