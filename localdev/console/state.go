package console

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"photofinish/shared/claim"
	"photofinish/shared/order"
	"photofinish/shared/stock"
)

// state is all that the page shows but the log lines. Times are Unix times in
// ms, 0 where there is none.
type state struct {
	API          string           `json:"api"`
	Info         []Fact           `json:"info"`
	Problem      string           `json:"problem,omitempty"` // Redis could not be read
	Scalable     bool             `json:"scalable"`
	Warehouses   []shownWarehouse `json:"warehouses"`
	Orders       []shownOrder     `json:"orders"`  // last placed first
	Letters      []shownLetter    `json:"letters"` // newest first
	Environments []shownRunner    `json:"environments"`
	Services     []Service        `json:"services"`
}

type shownWarehouse struct {
	Name     string       `json:"name"`
	Accepted int64        `json:"accepted"` // placed and not ended
	Settled  int          `json:"settled"`  // since the console started
	Rejected int          `json:"rejected"` // since the console started
	Dead     int64        `json:"dead"`
	Attended bool         `json:"attended"` // a bridge is at work
	SKUs     int64        `json:"skus"`     // how many have a level
	Levels   []shownLevel `json:"levels"`
	Peak     int64        `json:"peak"` // the highest level of any SKU seen
	Problem  string       `json:"problem,omitempty"`
}

type shownLevel struct {
	SKU    string `json:"sku"`
	OnHand int64  `json:"onHand"`
}

type shownOrder struct {
	Warehouse  string          `json:"warehouse"`
	ID         string          `json:"id"`
	Status     string          `json:"status"` // of the record, else as a contender said; "unknown"
	Items      []order.Item    `json:"items"`
	At         int64           `json:"at"` // placed, else first seen
	Took       *int64          `json:"took,omitempty"`
	Winner     string          `json:"winner,omitempty"`
	Fence      int64           `json:"fence"`
	Deliveries int64           `json:"deliveries"`
	Claims     int64           `json:"claims"` // tries to claim it, won or not
	Reason     string          `json:"reason,omitempty"`
	Shortage   *stock.Shortage `json:"shortage,omitempty"`
	Lanes      []shownLane     `json:"lanes"`
	More       int             `json:"more,omitempty"`      // contenders beyond those
	FromFirst  bool            `json:"fromFirst,omitempty"` // offsets are from the first report
}

type shownLane struct {
	Contender   string  `json:"contender"`
	Environment string  `json:"environment"`
	Bib         int     `json:"bib"`
	Outcome     string  `json:"outcome"`
	Status      string  `json:"status,omitempty"`
	Fence       int64   `json:"fence,omitempty"`
	Reason      string  `json:"reason,omitempty"`
	Offset      float64 `json:"offset"` // ms since the order was placed
}

type shownLetter struct {
	Warehouse string `json:"warehouse"`
	ID        string `json:"id"`
	Reason    string `json:"reason"`
	At        int64  `json:"at"`
}

type shownRunner struct {
	Environment
	Bib int `json:"bib,omitempty"`
}

// unknown is the status of an order of which there is no record.
const unknown = "unknown"

// state puts together what was read and what the contenders said.
func (c *Console) state(v view) state {
	s := state{
		API: c.cfg.API, Info: append([]Fact{}, c.cfg.Info...), Problem: v.failure, Scalable: c.cfg.Scale != nil,
		Orders: []shownOrder{}, Letters: []shownLetter{}, Environments: []shownRunner{}, Services: []Service{},
	}
	for _, name := range c.cfg.Warehouses {
		h, t := v.houses[name], c.races.tally(name)
		s.Warehouses = append(s.Warehouses, shownWarehouse{
			Name: name, Accepted: h.waiting, Settled: t.settled, Rejected: t.rejected, Dead: h.dead,
			Attended: h.attended, SKUs: h.skus, Levels: showLevels(h.levels), Peak: c.peak(name, h.levels), Problem: h.problem,
		})
		for _, l := range h.letters {
			s.Letters = append(s.Letters, shownLetter{name, cut(l.ID, maxName), cut(l.Reason, maxReason), ms(l.At)})
		}
	}
	slices.SortStableFunc(s.Letters, func(a, b shownLetter) int { return cmp.Compare(b.At, a.At) })
	s.Letters = s.Letters[:min(len(s.Letters), maxOrders)]
	for _, r := range v.orders {
		record, known := v.records[r.key]
		s.Orders = append(s.Orders, present(r, c.races.get(r.key), record, known))
	}
	slices.SortFunc(s.Orders, func(a, b shownOrder) int {
		return cmp.Or(cmp.Compare(b.At, a.At), strings.Compare(a.Warehouse, b.Warehouse), strings.Compare(a.ID, b.ID))
	})
	if c.cfg.Environments != nil {
		for _, e := range c.cfg.Environments() {
			s.Environments = append(s.Environments, shownRunner{e, c.races.wears(e.ID)})
		}
	}
	if c.cfg.Services != nil {
		for _, v := range c.cfg.Services() {
			v.PIDs = append([]int{}, v.PIDs...)
			s.Services = append(s.Services, v)
		}
	}
	return s
}

func showLevels(levels []stock.Level) []shownLevel {
	shown := make([]shownLevel, len(levels))
	for i, l := range levels {
		shown[i] = shownLevel{cut(l.SKU, maxName), l.OnHand}
	}
	return shown
}

// peak is the highest level seen in a warehouse so far.
func (c *Console) peak(warehouse string, levels []stock.Level) int64 {
	for _, l := range levels {
		c.peaks[warehouse] = max(c.peaks[warehouse], l.OnHand)
	}
	return c.peaks[warehouse]
}

// present joins the record of an order and its race.
func present(r ref, v race, record claim.Record, known bool) shownOrder {
	o := shownOrder{
		Warehouse: r.warehouse, ID: cut(r.id, maxName), Status: unknown, Items: []order.Item{},
		At: ms(r.at), Lanes: make([]shownLane, len(v.lanes)), More: v.more,
	}
	start := r.at
	if len(v.lanes) > 0 {
		start = v.lanes[0].at
		o.At = ms(start)
	}
	o.FromFirst = true
	if known {
		if o.At = ms(record.PlacedAt); len(v.lanes) == 0 || !record.PlacedAt.After(start) {
			start, o.FromFirst = record.PlacedAt, false // else the clock of Redis is not that of the contenders
		}
		o.Status, o.Fence, o.Deliveries, o.Claims = string(record.State), record.Fence, record.Deliveries, record.Racers
		o.Reason = cut(record.Reason, maxReason)
		if items, err := order.Items(record.Message); err == nil { // a flawed message has none
			o.Items = items
		}
		if !record.EndedAt.IsZero() {
			took := record.EndedAt.Sub(record.PlacedAt).Milliseconds()
			o.Took, o.Winner = &took, cut(record.Owner, maxName)
		}
		var short stock.Shortage
		if record.State == claim.Rejected && json.Unmarshal([]byte(record.Result), &short) == nil {
			o.Shortage = &short
		}
	}
	for i, l := range v.lanes {
		o.Lanes[i] = shownLane{
			l.contender, l.environment, l.bib, l.outcome, l.status, l.fence, l.reason,
			float64(l.at.Sub(start).Microseconds()) / 1000,
		}
		if known {
			continue
		}
		if l.status != "" {
			o.Status = l.status
		}
		if won(l) {
			o.Winner, o.Fence = l.contender, l.fence
		}
	}
	return o
}

func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
