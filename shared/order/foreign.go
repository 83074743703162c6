package order

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// MaxForeign is the size in bytes from which a foreign message is no order.
const MaxForeign = 256 << 10

// ErrNoOrder says that a message from the channel is no order at all: there is
// nothing in it that could be kept under an id.
var ErrNoOrder = errors.New("order: the message is no order")

// Foreign is a message from the channel that some other publisher sent.
type Foreign struct {
	Order Order
	// OwnID is set where the message brought an orderId. Otherwise Order.ID is
	// its field id, which publishers make from a clock and which can collide.
	OwnID bool
	// Flaw is set where the message names an order but breaks a rule: it has to
	// become a dead letter, not be lost. Order then has no items.
	Flaw string
	// Raw is the message as it came.
	Raw []byte
}

// Fingerprint is the order's, or that of the raw message where it has a flaw.
func (f Foreign) Fingerprint() string {
	if f.Flaw != "" {
		return digest(f.Raw)
	}
	return f.Order.Fingerprint()
}

// ParseForeign reads a message of another publisher, such as
// {"id":"1719300000000","orderId":"29","items":[{"id":"001","quantity":2}]}.
// Fields it does not know are ignored. An order that names no warehouse goes to
// the given one. What is not an object with items or an id is ErrNoOrder.
func ParseForeign(message []byte, warehouse string) (Foreign, error) {
	if len(message) > MaxForeign {
		return Foreign{}, fmt.Errorf("%w: %d bytes, at most %d are read", ErrNoOrder, len(message), MaxForeign)
	}
	if !utf8.Valid(message) {
		return Foreign{}, fmt.Errorf("%w: not valid UTF-8", ErrNoOrder)
	}
	var in map[string]json.RawMessage
	if err := json.Unmarshal(message, &in); err != nil {
		return Foreign{}, fmt.Errorf("%w: not a JSON object", ErrNoOrder)
	}
	f := Foreign{Raw: message, Order: Order{Warehouse: warehouse}}
	orderID, hasOrderID := text(in["orderId"])
	id, hasID := text(in["id"])
	if !hasOrderID && !hasID && in["items"] == nil {
		return Foreign{}, fmt.Errorf("%w: neither orderId nor id nor items", ErrNoOrder)
	}
	switch {
	case hasOrderID:
		f.Order.ID, f.OwnID = orderID, true
	case hasID:
		f.Order.ID = id
	default:
		f.Order.ID, f.Flaw = "unidentified", "neither orderId nor id is given"
	}
	if !ValidID(f.Order.ID) {
		f.Flaw = fmt.Sprintf("the id %.40q is not 1 to %d letters, digits or . _ : -", f.Order.ID, MaxID)
		f.Order.ID = "unidentified"
	}
	if w, ok := text(in["warehouse"]); ok {
		if ValidWarehouse(w) {
			f.Order.Warehouse = w
		} else {
			f.Flaw = fmt.Sprintf("the warehouse %.40q is not 1 to %d letters, digits or -", w, MaxWarehouse)
		}
	}
	if f.Flaw == "" {
		f.Flaw = f.readItems(in["items"])
	}
	return f, nil
}

func (f *Foreign) readItems(raw json.RawMessage) (flaw string) {
	if raw == nil {
		return "items: is required"
	}
	var in struct {
		Items []Item `json:"items"`
	}
	// In an object, so that an error names the field.
	if err := json.Unmarshal(slices.Concat([]byte(`{"items":`), raw, []byte("}")), &in); err != nil {
		return explain(err).Error()
	}
	if err := validateItems(in.Items); err != nil {
		return err.Error()
	}
	f.Order.Items = in.Items
	return ""
}

// text reads a JSON string, or a number as it is written: Date.now() is a
// common id. Anything else counts as not given.
func text(raw json.RawMessage) (string, bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "", false
	}
	if raw[0] == '"' {
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err == nil && s != ""
	}
	var n json.Number
	if err := json.Unmarshal(raw, &n); err != nil || n == "" {
		return "", false
	}
	return n.String(), true
}
