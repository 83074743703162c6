package order_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photofinish/shared/order"
)

// list is the text of items with n different SKUs.
func list(n int) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(`{"id":"sku-%d","quantity":1}`, i)
	}
	return "[" + strings.Join(items, ",") + "]"
}

// padded is a valid order of exactly size bytes.
func padded(size int) string {
	const body = `{"items":[{"id":"001","quantity":2}]}`
	return body + strings.Repeat(" ", size-len(body))
}

func with(field, value string) string {
	return fmt.Sprintf(`{%q:%s,"items":[{"id":"001","quantity":2}]}`, field, value)
}

func withItem(id, quantity string) string {
	return fmt.Sprintf(`{"items":[{"id":"ok","quantity":1},{"id":%s,"quantity":%s}]}`, id, quantity)
}

func TestOrdersThatAreAccepted(t *testing.T) {
	t.Parallel()
	one := []order.Item{{SKU: "001", Quantity: 2}}
	for name, tt := range map[string]struct {
		body string
		want order.Order
	}{
		"only items": {`{"items":[{"id":"001","quantity":2}]}`, order.Order{Items: one}},
		"the body of the article": {
			`{"orderId":"29","items":[{"id":"001","quantity":2},{"id":"002","quantity":1}]}`,
			order.Order{ID: "29", Items: []order.Item{{SKU: "001", Quantity: 2}, {SKU: "002", Quantity: 1}}},
		},
		"its field id does not override orderId": {`{"id":"1719300000000","orderId":"29","items":[{"id":"001","quantity":2}]}`, order.Order{ID: "29", Items: one}},
		"nor where it comes after":               {`{"orderId":"29","id":"1719300000000","items":[{"id":"001","quantity":2}]}`, order.Order{ID: "29", Items: one}},
		"nor does it stand in for one":           {with("id", `"30"`), order.Order{Items: one}},
		"whatever it is":                         {with("id", `{"a":[1,null]}`), order.Order{Items: one}},
		"warehouse":                              {with("warehouse", `"east-1"`), order.Order{Warehouse: "east-1", Items: one}},
		"null means not given":                   {`{"orderId":null,"warehouse":null,"id":null,"items":[{"id":"001","quantity":2}]}`, order.Order{Items: one}},
		"every character an id may have":         {with("orderId", `"aZ9._:-"`), order.Order{ID: "aZ9._:-", Items: one}},
		"the longest id":                         {with("orderId", `"`+strings.Repeat("x", order.MaxID)+`"`), order.Order{ID: strings.Repeat("x", order.MaxID), Items: one}},
		"the longest warehouse":                  {with("warehouse", `"`+strings.Repeat("x", order.MaxWarehouse)+`"`), order.Order{Warehouse: strings.Repeat("x", order.MaxWarehouse), Items: one}},
		"the longest SKU and the most units": {
			`{"items":[{"id":"` + strings.Repeat("x", order.MaxSKU) + `","quantity":1000000}]}`,
			order.Order{Items: []order.Item{{SKU: strings.Repeat("x", order.MaxSKU), Quantity: order.MaxQuantity}}},
		},
		"white space":       {" \r\n\t{ \"items\" : [ {\"quantity\":2,\"id\":\"001\"} ] }\n ", order.Order{Items: one}},
		"an escaped letter": {`{"orderId":"\u0041","items":[{"id":"001","quantity":2}]}`, order.Order{ID: "A", Items: one}},
		"the largest body":  {padded(order.MaxBody), order.Order{Items: one}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := order.Parse([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	o, err := order.Parse([]byte(`{"items":` + list(order.MaxItems) + `}`))
	if err != nil || len(o.Items) != order.MaxItems {
		t.Errorf("the most items: %d, %v", len(o.Items), err)
	}
}

func TestOrdersThatAreRefused(t *testing.T) {
	t.Parallel()
	const (
		alphabet = "letters, digits"
		whole    = "must be a whole number"
	)
	deep := strings.Repeat("[", 20_000)
	for name, tt := range map[string]struct{ body, field, rule string }{
		"nothing":                   {"", "", "the body is empty"},
		"white space":               {" \n", "", "the body is empty"},
		"one byte too long":         {padded(order.MaxBody + 1), "", "at most 65536"},
		"invalid UTF-8":             {"{\"items\":[{\"id\":\"\xff\",\"quantity\":1}]}", "", "not valid UTF-8"},
		"no JSON":                   {"xx", "", "not valid JSON"},
		"cut off":                   {`{"items":[{"id":"001"`, "", "ends too early"},
		"null":                      {"null", "items", "is required"},
		"array":                     {`[{"id":"001","quantity":2}]`, "", "must be a JSON object, not an array"},
		"string":                    {`"{}"`, "", "must be a JSON object, not a string"},
		"number":                    {"29", "", "must be a JSON object, not a number"},
		"empty object":              {"{}", "items", "is required"},
		"a second order behind":     {padded(40) + padded(40), "", "after the order's closing brace"},
		"a brace behind":            {padded(40) + "}", "", "after the order's closing brace"},
		"a NUL behind":              {padded(40) + "\x00", "", "after the order's closing brace"},
		"misspelt field":            {with("orderid_", `"29"`), "orderid_", "not a field of an order"},
		"misspelt field of an item": {`{"items":[{"id":"001","quantity":2,"qty":3}]}`, "qty", "not a field of an order"},
		"a very long field":         {with(strings.Repeat("x", 60_000), `1`), strings.Repeat("x", 64), "not a field"},
		"a very long field twice":   {`{"id":{"` + strings.Repeat("y", 9000) + `":1,"` + strings.Repeat("y", 9000) + `":2}}`, strings.Repeat("y", 64), "given twice"},
		"the prototype":             {with("__proto__", `{}`), "__proto__", "not a field"},

		"field twice":             {`{"orderId":"1","orderId":"2","items":[{"id":"001","quantity":2}]}`, "orderId", "given twice"},
		"twice in another case":   {`{"items":[{"id":"001","quantity":2}],"ITEMS":[{"id":"002","quantity":1}]}`, "ITEMS", "given twice"},
		"twice by case folding":   {`{"items":[{"id":"001","quantity":2}],"itemſ":[{"id":"002","quantity":1}]}`, "itemſ", "given twice"},
		"twice, escaped":          {`{"items":[{"id":"001","quantity":2}],"\u0069tems":[]}`, "items", "given twice"},
		"twice in an item":        {`{"items":[{"id":"001","quantity":2,"quantity":3}]}`, "quantity", "given twice"},
		"twice in what is unused": {`{"id":{"a":1,"a":2},"items":[{"id":"001","quantity":2}]}`, "a", "given twice"},
		"twice after a value":     {`{"id":["id",{"x":1}],"id":2,"items":[{"id":"001","quantity":2}]}`, "id", "given twice"},

		"orderId empty":              {with("orderId", `""`), "orderId", alphabet},
		"orderId too long":           {with("orderId", `"`+strings.Repeat("x", order.MaxID+1)+`"`), "orderId", "1 to 128"},
		"orderId with a brace":       {with("orderId", `"a}{b"`), "orderId", alphabet},
		"orderId with a newline":     {with("orderId", `"a\nb"`), "orderId", alphabet},
		"orderId with a NUL":         {with("orderId", `"a\u0000b"`), "orderId", alphabet},
		"orderId with a slash":       {with("orderId", `"a/b"`), "orderId", alphabet},
		"orderId with the variant ~": {with("orderId", `"a~b"`), "orderId", alphabet},
		"orderId beginning with .":   {with("orderId", `".."`), "orderId", "start with"},
		"orderId not ASCII":          {with("orderId", `"é"`), "orderId", alphabet},
		"orderId a number":           {with("orderId", `29`), "orderId", "must be a string, not a number"},
		"orderId an object":          {with("orderId", `{}`), "orderId", "must be a string, not an object"},
		"warehouse empty":            {with("warehouse", `""`), "warehouse", alphabet},
		"warehouse too long":         {with("warehouse", `"`+strings.Repeat("x", order.MaxWarehouse+1)+`"`), "warehouse", "1 to 32"},
		"warehouse with a brace":     {with("warehouse", `"a}"`), "warehouse", alphabet},
		"warehouse with a dot":       {with("warehouse", `"a.b"`), "warehouse", alphabet},
		"warehouse a number":         {with("warehouse", `1`), "warehouse", "must be a string"},

		"items null":             {`{"items":null}`, "items", "is required"},
		"items empty":            {`{"items":[]}`, "items", "must not be empty"},
		"items an object":        {`{"items":{}}`, "items", "must be an array, not an object"},
		"items a string":         {`{"items":"001"}`, "items", "must be an array, not a string"},
		"one item too many":      {`{"items":` + list(order.MaxItems+1) + `}`, "items", "at most 100"},
		"item null":              {`{"items":[null]}`, "items[0].id", alphabet},
		"item a string":          {`{"items":["001"]}`, "items", "must be an object, not a string"},
		"item without an id":     {`{"items":[{"quantity":1}]}`, "items[0].id", alphabet},
		"item without quantity":  {`{"items":[{"id":"001"}]}`, "items[0].quantity", whole},
		"SKU null":               {withItem(`null`, `1`), "items[1].id", alphabet},
		"SKU empty":              {withItem(`""`, `1`), "items[1].id", alphabet},
		"SKU too long":           {withItem(`"`+strings.Repeat("x", order.MaxSKU+1)+`"`, `1`), "items[1].id", "1 to 64"},
		"SKU with a space":       {withItem(`"a b"`, `1`), "items[1].id", alphabet},
		"SKU with a comma":       {withItem(`"a,b"`, `1`), "items[1].id", alphabet},
		"SKU a number":           {withItem(`1`, `1`), "items.id", "must be a string, not a number"},
		"SKU twice":              {withItem(`"ok"`, `1`), "items[1].id", "is in items[0] already"},
		"quantity null":          {withItem(`"x"`, `null`), "items[1].quantity", whole},
		"quantity zero":          {withItem(`"x"`, `0`), "items[1].quantity", whole},
		"quantity negative":      {withItem(`"x"`, `-1`), "items[1].quantity", whole},
		"quantity negative zero": {withItem(`"x"`, `-0`), "items[1].quantity", whole},
		"quantity a fraction":    {withItem(`"x"`, `1.5`), "items.quantity", whole},
		"quantity with a point":  {withItem(`"x"`, `2.0`), "items.quantity", whole},
		"quantity 1e9":           {withItem(`"x"`, `1e9`), "items.quantity", whole},
		"quantity 1e400":         {withItem(`"x"`, `1e400`), "items.quantity", whole},
		"quantity one too many":  {withItem(`"x"`, `1000001`), "items[1].quantity", "from 1 to 1000000"},
		"quantity huge":          {withItem(`"x"`, `99999999999999999999`), "items.quantity", whole},
		"quantity a string":      {withItem(`"x"`, `"2"`), "items.quantity", "must be a whole number, not a string"},
		"quantity an array":      {withItem(`"x"`, `[2]`), "items.quantity", "not an array"},
		"quantity true":          {withItem(`"x"`, `true`), "items.quantity", "not a bool"},
		"quantity NaN":           {withItem(`"x"`, `NaN`), "", "not valid JSON"},

		"deep in what is unused": {with("id", deep+strings.Repeat("]", len(deep))), "", "not valid JSON"},
		"deep and cut off":       {deep, "", "not valid JSON"},
		"deep objects":           {strings.Repeat(`{"a":`, 10_000), "", "not valid JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := order.Parse([]byte(tt.body))
			var broken *order.FieldError
			if !errors.As(err, &broken) {
				t.Fatalf("%+v, %v, want a *FieldError", got, err)
			}
			if broken.Field != tt.field || !strings.Contains(broken.Rule, tt.rule) {
				t.Errorf("field %q: %q, want field %q: …%q…", broken.Field, broken.Rule, tt.field, tt.rule)
			}
			if broken.Field != "" && !strings.HasPrefix(err.Error(), broken.Field+": ") {
				t.Errorf("the message %q does not name the field", err)
			}
			// What it says is sent back, so it must not grow with what came in.
			if len(err.Error()) > 400 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
			if diff := cmp.Diff(order.Order{}, got); diff != "" {
				t.Errorf("something of the order was kept: %s", diff)
			}
		})
	}
}
