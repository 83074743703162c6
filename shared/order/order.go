// Package order is the wire form of an order: what a client sends, what goes
// over the channel, and what Redis keeps. It validates, fingerprints and
// encodes, and depends on the standard library alone.
package order

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// Limits of an order. They bound what one script has to do and what one
// message can weigh.
const (
	MaxBody      = 64 << 10  // bytes of an order as a client sends it
	MaxItems     = 100       // different SKUs in one order
	MaxQuantity  = 1_000_000 // units of one SKU in one order
	MaxID        = 128       // characters of an order id
	MaxSKU       = 64        // characters of a SKU
	MaxWarehouse = 32        // characters of a warehouse name
)

// Item is one line of an order.
type Item struct {
	SKU      string `json:"id"`
	Quantity int64  `json:"quantity"`
}

// Order is a valid order. Its id and warehouse together identify it for ever.
type Order struct {
	ID        string `json:"orderId"`
	Warehouse string `json:"warehouse"`
	Items     []Item `json:"items"`
}

// Fingerprint tells whether two orders ask for the same thing: equal for the
// same warehouse and the same quantities, in whatever order they are listed.
// 128 bits of SHA-256, as 22 characters of base64url.
func (o Order) Fingerprint() string {
	return digest([]byte(o.Warehouse + "\n" + string(o.Message())))
}

// Message is what the engine keeps of the order: a JSON object of SKU to
// quantity, keys sorted. Decode it with Items.
func (o Order) Message() []byte {
	quantities := make(map[string]int64, len(o.Items))
	for _, item := range o.Items {
		quantities[item.SKU] = item.Quantity
	}
	b, _ := json.Marshal(quantities) // a map of strings and integers always encodes
	return b
}

// Items decodes what Message encoded, sorted by SKU.
func Items(message []byte) ([]Item, error) {
	var quantities map[string]int64
	if err := json.Unmarshal(message, &quantities); err != nil {
		return nil, fmt.Errorf("order: the stored message is not an object of SKU to quantity: %w", err)
	}
	items := make([]Item, 0, len(quantities))
	for sku, quantity := range quantities {
		items = append(items, Item{SKU: sku, Quantity: quantity})
	}
	sortItems(items)
	if err := validateItems(items); err != nil {
		return nil, fmt.Errorf("order: the stored message: %w", err)
	}
	return items, nil
}

// Announcement is the order as it is published on the channel, in the form of
// a plain Redis Pub/Sub order service.
func (o Order) Announcement() []byte {
	b, _ := json.Marshal(o) // strings and integers always encode
	return b
}

// Variant is the id under which content is kept that came under an id already
// taken by other content. The tilde is not part of the alphabet of ids, so no
// client can name such an id for an order of its own.
func Variant(id, fingerprint string) string { return id + "~" + fingerprint }

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// ValidWarehouse reports whether s can name a warehouse: it becomes the hash
// tag of every key of its orders, so the alphabet is small on purpose.
func ValidWarehouse(s string) bool {
	return len(s) <= MaxWarehouse && matches(s, "-")
}

// ValidID reports whether s can be an order id: letters, digits and . _ : -
// with a letter or digit first.
func ValidID(s string) bool { return len(s) <= MaxID && matches(s, "._:-") }

// ValidSKU reports whether s can name a stock keeping unit.
func ValidSKU(s string) bool { return len(s) <= MaxSKU && matches(s, "._:-") }

// matches reports whether s is not empty, starts with an ASCII letter or digit
// and has only those and the extra characters after it.
func matches(s, extra string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && strings.IndexByte(extra, c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
