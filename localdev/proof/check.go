package proof

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"photofinish/shared/claim"
	"photofinish/shared/order"
	"photofinish/shared/stock"
)

// check counts, and finds what contradicts exactly-once.
func (h *holding) check() (Warehouse, []Finding) {
	w := Warehouse{Name: h.name, Placed: len(h.records), Locks: len(h.locks), Handlers: len(h.plain)}
	c := &checker{holding: h, settled: map[string][]stock.Movement{}}
	for _, m := range h.movements {
		if m.Order == "" {
			w.Receipts++
			continue
		}
		c.settled[m.Order] = append(c.settled[m.Order], m)
	}
	for _, id := range slices.Sorted(maps.Keys(h.records)) {
		r := h.records[id]
		switch r.State {
		case claim.Settled:
			w.Settled++
		case claim.Rejected:
			w.Rejected++
		case claim.Dead:
			w.Dead++
		case claim.Accepted:
			w.Waiting++
		}
		c.order(r)
	}
	for _, id := range slices.Sorted(maps.Keys(c.settled)) {
		if n := len(c.settled[id]); n > 1 && !c.repeats(c.settled[id]) {
			c.found(id, "settled %d times: %s", n, entriesOf(c.settled[id]))
		}
		if _, ok := h.records[id]; !ok {
			w.Expired++
		}
	}
	c.locks()
	c.stream()
	for _, problem := range h.unread {
		c.findings = append(c.findings, Finding{Warehouse: h.name, Problem: problem})
	}
	w.SKUs = c.balance()
	return w, c.findings
}

// repeats reports whether entries of one id are those of several orders: once a
// record has expired, its id can be placed again, and fences start anew.
func (c *checker) repeats(moves []stock.Movement) bool {
	for i := 1; i < len(moves); i++ {
		if moves[i].Fence > moves[i-1].Fence {
			return false
		}
	}
	return true
}

type checker struct {
	*holding
	settled  map[string][]stock.Movement
	findings []Finding
}

func (c *checker) found(order, format string, args ...any) {
	c.findings = append(c.findings, Finding{Warehouse: c.name, Order: order, Problem: fmt.Sprintf(format, args...)})
}

// order compares a record with the ledger and the streams.
func (c *checker) order(r claim.Record) {
	// What was settled before this order was placed is of one with the same id,
	// whose record had expired.
	moves := slices.DeleteFunc(slices.Clone(c.settled[r.ID]), func(m stock.Movement) bool { return m.At.Before(r.PlacedAt) })
	c.settled[r.ID] = moves
	if r.State != claim.Settled && len(moves) > 0 {
		c.found(r.ID, "is %s, yet the stock was changed: %s", r.State, entriesOf(moves))
	}
	switch r.State {
	case claim.Settled:
		c.settlement(r, moves)
	case claim.Rejected:
	case claim.Accepted:
		if c.entries[r.Entry] != r.ID {
			c.found(r.ID, "is accepted, but has no entry in the stream: nobody will be handed it")
		}
		if c.expires[r.ID] {
			c.found(r.ID, "is accepted, but its record will expire")
		}
	case claim.Dead:
		if !c.letters[r.Letter] && !c.expires[r.ID] {
			c.found(r.ID, "is dead, but has no dead letter")
		}
		if r.Reason == "" {
			c.found(r.ID, "is dead, and nothing says why")
		}
	default:
		c.found(r.ID, "has the unknown state %q", r.State)
	}
}

// settlement requires that the one entry of the ledger is that of the record.
func (c *checker) settlement(r claim.Record, moves []stock.Movement) {
	if len(moves) == 0 {
		c.found(r.ID, "is settled, but the ledger has no entry of it")
		return
	}
	m := moves[0]
	if m.Fence != r.Fence || m.Owner != r.Owner {
		c.found(r.ID, "was settled by %s with fence %d, but the ledger says %s with fence %d", r.Owner, r.Fence, m.Owner, m.Fence)
	}
	items, err := order.Items(r.Message)
	if err != nil {
		c.found(r.ID, "is settled, but its message cannot be read: %v", err)
		return
	}
	want := map[string]int64{}
	for _, item := range items {
		want[item.SKU] = -item.Quantity
	}
	if !maps.Equal(want, m.Changes) {
		c.found(r.ID, "asked for %v, but the stock was changed by %v", items, m.Changes)
	}
}

// locks requires that each lock is that of a waiting order.
func (c *checker) locks() {
	for _, id := range slices.Sorted(maps.Keys(c.holding.locks)) {
		switch r, ok := c.records[id]; {
		case c.plain[id]:
		case !ok:
			c.found(id, "there is a lock (%s), but no such order", c.holding.locks[id])
		case r.State != claim.Accepted:
			c.found(id, "is %s, yet its lock is there (%s)", r.State, c.holding.locks[id])
		}
	}
}

// stream requires that each entry is that of a waiting order.
func (c *checker) stream() {
	for _, entry := range slices.Sorted(maps.Keys(c.entries)) {
		id := c.entries[entry]
		if r, ok := c.records[id]; !ok {
			c.found(id, "is in the stream (%s), but was never placed", entry)
		} else if r.State != claim.Accepted || r.Entry != entry {
			c.found(id, "is %s, yet it is in the stream (%s)", r.State, entry)
		}
	}
}

// balance requires received − settled = on hand, for each SKU.
func (c *checker) balance() []SKU {
	skus := map[string]*SKU{}
	get := func(id string) *SKU {
		if skus[id] == nil {
			skus[id] = &SKU{ID: id}
		}
		return skus[id]
	}
	for _, m := range c.movements {
		if !notAfter(m.Entry, c.levelsAt) { // moved after the levels were read
			continue
		}
		for id, n := range m.Changes {
			if m.Order != "" {
				get(id).Settled -= n
			} else {
				get(id).Received += n
			}
		}
	}
	for id, text := range c.levels {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			c.findings = append(c.findings, Finding{Warehouse: c.name, SKU: id, Problem: fmt.Sprintf("%.40q is on hand, which is no number", text)})
			continue
		}
		get(id).OnHand = n
	}
	var all []SKU
	for _, id := range slices.Sorted(maps.Keys(skus)) {
		s := *skus[id]
		all = append(all, s)
		if s.Received-s.Settled != s.OnHand {
			c.findings = append(c.findings, Finding{Warehouse: c.name, SKU: id, Problem: fmt.Sprintf("%d received − %d settled = %d, but %d on hand", s.Received, s.Settled, s.Received-s.Settled, s.OnHand)})
		}
		if s.OnHand < 0 {
			c.findings = append(c.findings, Finding{Warehouse: c.name, SKU: id, Problem: fmt.Sprintf("oversold: %d on hand", s.OnHand)})
		}
	}
	return all
}

func entriesOf(moves []stock.Movement) string {
	entries := make([]string, len(moves))
	for i, m := range moves {
		entries[i] = fmt.Sprintf("%s by %s with fence %d", m.Entry, m.Owner, m.Fence)
	}
	return strings.Join(entries, ", ")
}
