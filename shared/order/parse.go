package order

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// FieldError says which field of a request breaks which rule. Field is a path
// such as items[1].quantity, or empty for the body as a whole.
type FieldError struct {
	Field string
	Rule  string
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Rule
	}
	return e.Field + ": " + e.Rule
}

func fieldErr(field, format string, args ...any) *FieldError {
	return &FieldError{Field: field, Rule: fmt.Sprintf(format, args...)}
}

// Parse reads an order as a client POSTs it. It is strict: an unknown field is
// an error, since a misspelt one would otherwise be ignored, except the
// article's own field id, which is accepted and means nothing. The id may be
// empty: the caller then chooses one. The error is always a *FieldError.
func Parse(body []byte) (Order, error) {
	if len(body) > MaxBody {
		return Order{}, fieldErr("", "the body has %d bytes, at most %d are allowed", len(body), MaxBody)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return Order{}, fieldErr("", "the body is empty, an order is expected")
	}
	if !utf8.Valid(body) {
		return Order{}, fieldErr("", "the body is not valid UTF-8")
	}
	if err := refuseDuplicateKeys(body); err != nil {
		return Order{}, err
	}
	var in struct {
		ID        json.RawMessage `json:"id"`
		OrderID   *string         `json:"orderId"`
		Warehouse *string         `json:"warehouse"`
		Items     *[]Item         `json:"items"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return Order{}, explain(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Order{}, fieldErr("", "there is more after the order's closing brace")
	}
	if in.Items == nil {
		return Order{}, fieldErr("items", "is required")
	}
	var o Order
	if in.OrderID != nil {
		if o.ID = *in.OrderID; !ValidID(o.ID) {
			return Order{}, fieldErr("orderId", "must be 1 to %d letters, digits or . _ : - and start with a letter or digit", MaxID)
		}
	}
	if in.Warehouse != nil {
		if o.Warehouse = *in.Warehouse; !ValidWarehouse(o.Warehouse) {
			return Order{}, fieldErr("warehouse", "must be 1 to %d letters, digits or - and start with a letter or digit", MaxWarehouse)
		}
	}
	o.Items = *in.Items
	if err := validateItems(o.Items); err != nil {
		return Order{}, err
	}
	return o, nil
}

func validateItems(items []Item) error {
	if len(items) == 0 {
		return fieldErr("items", "must not be empty")
	}
	if len(items) > MaxItems {
		return fieldErr("items", "has %d entries, at most %d are allowed", len(items), MaxItems)
	}
	first := make(map[string]int, len(items))
	for i, item := range items {
		if !ValidSKU(item.SKU) {
			return fieldErr(fmt.Sprintf("items[%d].id", i), "must be 1 to %d letters, digits or . _ : - and start with a letter or digit", MaxSKU)
		}
		if item.Quantity < 1 || item.Quantity > MaxQuantity {
			return fieldErr(fmt.Sprintf("items[%d].quantity", i), "must be a whole number from 1 to %d", MaxQuantity)
		}
		if j, ok := first[item.SKU]; ok {
			return fieldErr(fmt.Sprintf("items[%d].id", i), "%q is in items[%d] already: send one entry with the total", item.SKU, j)
		}
		first[item.SKU] = i
	}
	return nil
}

func sortItems(items []Item) {
	slices.SortFunc(items, func(a, b Item) int { return cmp.Compare(a.SKU, b.SKU) })
}

// explain turns an error of encoding/json into one that a client can act on.
func explain(err error) *FieldError {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &typ) && typ.Field == "":
		return fieldErr("", "must be a JSON object, not %s", article(typ.Value))
	case errors.As(err, &typ):
		return fieldErr(typ.Field, "must be %s, not %s", kindOf(typ), article(typ.Value))
	case errors.As(err, &syntax):
		return fieldErr("", "is not valid JSON: %v at byte %d", syntax, syntax.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fieldErr("", "is not valid JSON: it ends too early")
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fieldErr(clip(strings.Trim(field, `"`)), "is not a field of an order; an order has orderId, warehouse and items, an item id and quantity")
	}
	return fieldErr("", "is not valid JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// clip bounds a name that the client chose: it is sent back.
func clip(name string) string {
	return fmt.Sprintf("%.64s", name)
}

func kindOf(e *json.UnmarshalTypeError) string {
	switch e.Type.Kind().String() {
	case "string":
		return "a string"
	case "slice":
		return "an array"
	case "struct":
		return "an object"
	default:
		return "a whole number"
	}
}

func article(value string) string {
	switch value {
	case "array", "object":
		return "an " + value
	default:
		return "a " + value
	}
}

// refuseDuplicateKeys rejects an object that names a key twice. Parsers differ
// in which one they take, so two systems could read two orders in one text.
func refuseDuplicateKeys(body []byte) *FieldError {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	type level struct {
		keys map[string]bool // nil for an array
		key  bool            // the next token of an object is a key
	}
	var stack []level
	for {
		tok, err := dec.Token()
		if err != nil {
			return nil // malformed JSON is reported by the decoder that follows
		}
		switch d := tok.(type) {
		case json.Delim:
			switch d {
			case '{':
				stack = append(stack, level{keys: map[string]bool{}, key: true})
				continue
			case '[':
				stack = append(stack, level{})
				continue
			default:
				stack = stack[:len(stack)-1]
			}
		case string:
			if n := len(stack); n > 0 && stack[n-1].key {
				name := fold(d)
				if stack[n-1].keys[name] {
					return fieldErr(clip(d), "is given twice")
				}
				stack[n-1].keys[name] = true
				stack[n-1].key = false
				continue
			}
		}
		if n := len(stack); n > 0 && stack[n-1].keys != nil {
			stack[n-1].key = true // a value has ended
		}
	}
}

// fold is equal for names that encoding/json takes for the same field: it
// matches them without regard to case, in the way of Unicode (ſ is an s).
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r { // round to the least of those that are the same
				return next
			}
			r = next
		}
	}, name)
}
