// Package stock keeps what is on hand in each warehouse, as effects of the
// engine: an order takes from it once, a receipt adds to it once, and both leave
// an entry in the ledger in the same step.
package stock

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/order"
)

// Limits of the stock of one SKU.
const (
	MaxOnHand  = 1_000_000_000_000 // units; exact in Lua's numbers by far
	MaxReceipt = 1_000_000_000     // units in one receipt
)

var (
	//go:embed take.lua
	takeLua string
	//go:embed receive.lua
	receiveLua string

	// Take is the effect of an order. Settlement gives its keys and arguments.
	Take = claim.NewEffect("take", takeLua)

	receive = claim.NewEffect("receive", receiveLua)
)

// Key is the hash of what is on hand in a warehouse, SKU to units.
func Key(warehouse string) string { return "{" + warehouse + "}:stock" }

// Ledger is the stream of a warehouse's stock movements.
func Ledger(warehouse string) string { return "{" + warehouse + "}:ledger" }

// Settlement is what ends the claim of an order by taking its items.
func Settlement(warehouse string, held claim.Held, items []order.Item) claim.Settlement {
	s := claim.Settlement{Held: held, Keys: []string{Key(warehouse), Ledger(warehouse)}, Args: make([]any, 0, 2*len(items))}
	for _, item := range items {
		s.Args = append(s.Args, item.SKU, item.Quantity)
	}
	return s
}

// Shortage is the result of an order that was rejected.
type Shortage struct {
	SKU    string `json:"id"`
	Wanted int64  `json:"wanted"`
	OnHand int64  `json:"onHand"`
}

// Receipt is goods in.
type Receipt struct {
	ID       string
	SKU      string
	Quantity int64
}

// ErrConflict says that a receipt's id was used for another SKU or quantity.
var ErrConflict = errors.New("stock: the receipt id was used before for other content")

// RefusedError says why goods cannot be taken in.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "stock: refused: " + e.Reason }

// Receive adds goods to the stock, once for the receipt's id and for ever: its
// record does not expire. It returns what was on hand after that, and whether
// it had been received before.
func Receive(ctx context.Context, e *claim.Engine, r Receipt) (onHand int64, replayed bool, err error) {
	warehouse := e.Keys().Partition()
	got, err := e.Receive(ctx, receive, claim.Receipt{
		ID:          r.ID,
		Fingerprint: r.SKU + " " + strconv.FormatInt(r.Quantity, 10),
		Keys:        []string{Key(warehouse), Ledger(warehouse)},
		Args:        []any{r.SKU, r.Quantity, int64(MaxOnHand)},
	})
	if err != nil {
		return 0, false, err
	}
	switch got.Verdict {
	case "conflict":
		return 0, false, ErrConflict
	case "failed":
		if got.Reason == "full" {
			return 0, false, &RefusedError{fmt.Sprintf("more than %d would be on hand", int64(MaxOnHand))}
		}
		return 0, false, raisedError(got.Reason)
	}
	onHand, err = parseUnits(r.SKU, got.Result)
	return onHand, got.Verdict == "replayed", err
}

// raisedError is what Redis raised in the effect, such as that it is full. The
// engine tells by the text whether to try again.
type raisedError string

func (e raisedError) Error() string { return "stock: receive: " + string(e) }

// RedisError makes it an error that Redis answered with.
func (raisedError) RedisError() {}

// OnHand reads one SKU. It reports false for one that was never received.
func OnHand(ctx context.Context, rdb redis.UniversalClient, warehouse, sku string) (int64, bool, error) {
	text, err := rdb.HGet(ctx, Key(warehouse), sku).Result()
	if errors.Is(err, redis.Nil) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("stock: on hand: %w", err)
	}
	n, err := parseUnits(sku, text)
	return n, err == nil, err
}

// Level is what is on hand of one SKU.
type Level struct {
	SKU    string `json:"id"`
	OnHand int64  `json:"onHand"`
}

// Levels reads the stock of a warehouse page by page: start with cursor 0, go on
// with the one returned until that is 0. A page has about count levels, by SKU.
func Levels(ctx context.Context, rdb redis.UniversalClient, warehouse string, cursor uint64, count int64) ([]Level, uint64, error) {
	pairs, next, err := rdb.HScan(ctx, Key(warehouse), cursor, "", count).Result()
	if err != nil {
		return nil, 0, fmt.Errorf("stock: levels: %w", err)
	}
	levels := make([]Level, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		n, err := parseUnits(pairs[i], pairs[i+1])
		if err != nil {
			return nil, 0, err
		}
		levels = append(levels, Level{pairs[i], n})
	}
	slices.SortFunc(levels, func(a, b Level) int { return strings.Compare(a.SKU, b.SKU) })
	return levels, next, nil
}

// CorruptError says that Redis holds something that is no stock level.
type CorruptError struct{ SKU, Text string }

// RedisError makes it an error of what Redis answered, not of the way there:
// to try again does not help.
func (e *CorruptError) RedisError() {}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("stock: the level of %s is not a whole number: %.40q", e.SKU, e.Text)
}

func parseUnits(sku, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, &CorruptError{sku, text}
	}
	return n, nil
}

// Movement is an entry of the ledger.
type Movement struct {
	Entry   string
	At      time.Time
	Order   string // set for an order
	Receipt string // set for goods in
	Fence   int64
	Owner   string
	Changes map[string]int64 // SKU → units, negative for those taken
}

// ParseMovement reads an entry of the ledger.
func ParseMovement(m redis.XMessage) (Movement, error) {
	text := func(name string) string {
		s, _ := m.Values[name].(string)
		return s
	}
	v := Movement{Entry: m.ID, Order: text("order"), Receipt: text("receipt"), Owner: text("owner"), Changes: map[string]int64{}}
	v.Fence, _ = strconv.ParseInt(text("fence"), 10, 64)
	ms, _, _ := strings.Cut(m.ID, "-")
	if n, err := strconv.ParseInt(ms, 10, 64); err == nil {
		v.At = time.UnixMilli(n).UTC()
	}
	if (v.Order == "") == (v.Receipt == "") {
		return v, fmt.Errorf("stock: ledger entry %s is neither an order's nor a receipt's", m.ID)
	}
	for change := range strings.SplitSeq(text("moves"), ",") {
		sku, units, _ := strings.Cut(change, " ")
		n, err := strconv.ParseInt(units, 10, 64)
		if err != nil || sku == "" {
			return v, fmt.Errorf("stock: ledger entry %s: %.60q is not a movement", m.ID, change)
		}
		v.Changes[sku] += n
	}
	return v, nil
}
