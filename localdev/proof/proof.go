// Package proof reads what Redis holds of the orders, and proves or disproves
// that each was processed exactly once.
package proof

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// Report is the result of an audit.
type Report struct {
	Warehouses []Warehouse `json:"warehouses"`
	// Findings are what contradicts exactly-once; none means that it holds.
	Findings []Finding `json:"findings"`
}

// Holds reports whether nothing contradicts exactly-once.
func (r Report) Holds() bool { return len(r.Findings) == 0 }

// Warehouse is what an audit counts in one warehouse.
type Warehouse struct {
	Name     string `json:"name"`
	Placed   int    `json:"placed"` // orders with a record
	Settled  int    `json:"settled"`
	Rejected int    `json:"rejected"`
	Dead     int    `json:"dead"`
	Waiting  int    `json:"waiting"` // accepted and not yet ended
	// Expired orders are in the ledger, but their records have expired.
	Expired  int `json:"expired"`
	Receipts int `json:"receipts"`
	Locks    int `json:"locks"`
	// Handlers counts the keys of idempotent handlers, which are no orders.
	Handlers int   `json:"handlers"`
	SKUs     []SKU `json:"skus"`
}

// SKU is the balance of one SKU. It holds if Received − Settled = OnHand.
type SKU struct {
	ID       string `json:"id"`
	Received int64  `json:"received"`
	Settled  int64  `json:"settled"`
	OnHand   int64  `json:"onHand"`
}

// Finding is one contradiction.
type Finding struct {
	Warehouse string `json:"warehouse"`
	Order     string `json:"order,omitempty"`
	SKU       string `json:"sku,omitempty"`
	Problem   string `json:"problem"`
}

func (f Finding) String() string {
	switch {
	case f.Order != "":
		return fmt.Sprintf("%s: order %s: %s", f.Warehouse, f.Order, f.Problem)
	case f.SKU != "":
		return fmt.Sprintf("%s: SKU %s: %s", f.Warehouse, f.SKU, f.Problem)
	default:
		return f.Warehouse + ": " + f.Problem
	}
}

// rounds is how often something has to be found to count. An audit reads key by
// key while orders may be going on, so that it can see an order half-way; no
// order is seen like that in every round.
const rounds = 3

// Audit reads everything once, and again where something is found. Progress is
// called with the number of keys read so far, and may be nil.
func Audit(ctx context.Context, rdb redis.UniversalClient, progress func(keys int)) (Report, error) {
	if progress == nil {
		progress = func(int) {}
	}
	var report Report
	for round := range rounds {
		next, err := audit(ctx, rdb, progress)
		if err != nil {
			return Report{}, err
		}
		if round > 0 {
			next.Findings = slices.DeleteFunc(next.Findings, func(f Finding) bool { return !slices.Contains(report.Findings, f) })
		}
		report = next
		if report.Holds() {
			break
		}
	}
	return report, nil
}

func audit(ctx context.Context, rdb redis.UniversalClient, progress func(int)) (Report, error) {
	// What moves the stock is read before the orders, and the ledger's tail after
	// them: see holding.
	holdings, err := read(ctx, rdb, progress)
	if err != nil {
		return Report{}, fmt.Errorf("proof: %w", err)
	}
	var r Report
	for _, h := range holdings {
		w, findings := h.check()
		r.Warehouses = append(r.Warehouses, w)
		r.Findings = append(r.Findings, findings...)
	}
	return r, nil
}
