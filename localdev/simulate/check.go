package simulate

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/order"
	"photofinish/shared/stock"
)

// shop is what Redis holds when all is over.
type shop struct {
	records   map[string]claim.Record
	letters   map[string][]claim.Letter
	movements map[string][]stock.Movement
	stock     map[string]string
	locks     []string
	pending   int64
	entries   int64
}

// check looks at what is left when all has come to rest, and returns how many
// orders ended in which state.
func (w *world) check() map[claim.State]int {
	rdb := w.redis.Client()
	s, err := read(w.root, rdb)
	if err != nil {
		w.problem("the state cannot be read: %v", err)
		return nil
	}
	states := map[claim.State]int{}
	for _, id := range slices.Sorted(maps.Keys(s.records)) {
		states[s.records[id].State]++
		w.checkRecord(s, s.records[id])
	}
	if s.entries != 0 || s.pending != 0 {
		w.problem("%d entries are left in the stream, %d of them pending", s.entries, s.pending)
	}
	if len(s.locks) != 0 {
		w.problem("locks are left: %v", s.locks)
	}
	for _, id := range slices.Sorted(maps.Keys(s.letters)) {
		if _, ok := s.records[id]; !ok {
			w.problem("there is a dead letter of %s, which was never placed", id)
		}
	}
	w.checkStock(s)
	w.checkClients(s)
	w.checkOutcomes(s)
	if w.plan.FaultRate == 0 {
		w.checkFaultless(s)
	}
	return states
}

func read(ctx context.Context, rdb *redis.Client) (*shop, error) {
	s := &shop{records: map[string]claim.Record{}, letters: map[string][]claim.Letter{}, movements: map[string][]stock.Movement{}}
	e, err := claim.Open(rdb, warehouse, claim.Options{})
	if err != nil {
		return nil, err
	}
	prefix := e.Keys().Record("")
	ids, err := rdb.Keys(ctx, prefix+"*").Result()
	if err != nil {
		return nil, err
	}
	for _, key := range ids {
		r, _, err := e.Lookup(ctx, key[len(prefix):])
		if err != nil {
			return nil, err
		}
		s.records[r.ID] = r
	}
	letters, err := e.Letters(ctx, "", 1000)
	if err != nil {
		return nil, err
	}
	for _, l := range letters {
		s.letters[l.ID] = append(s.letters[l.ID], l)
	}
	ledger, err := rdb.XRange(ctx, stock.Ledger(warehouse), "-", "+").Result()
	if err != nil {
		return nil, err
	}
	for _, m := range ledger {
		v, err := stock.ParseMovement(m)
		if err != nil {
			return nil, err
		}
		s.movements[v.Order] = append(s.movements[v.Order], v)
	}
	if s.stock, err = rdb.HGetAll(ctx, stock.Key(warehouse)).Result(); err != nil {
		return nil, err
	}
	if s.locks, err = rdb.Keys(ctx, e.Keys().Lock("*")).Result(); err != nil {
		return nil, err
	}
	if s.entries, err = e.Backlog(ctx); err != nil {
		return nil, err
	}
	pending, err := rdb.XPending(ctx, e.Keys().Stream(), e.Options().Group).Result()
	if claim.NoGroup(err) { // no bridge has lived long enough to make it
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	s.pending = pending.Count
	return s, nil
}

// checkRecord: an order has ended, and its effect has happened as often as that
// says: once or never.
func (w *world) checkRecord(s *shop, r claim.Record) {
	moves, letters := s.movements[r.ID], s.letters[r.ID]
	want := 0
	switch r.State {
	case claim.Settled:
		want = 1
	case claim.Rejected:
		if r.Result == "" {
			w.problem("%s is rejected for no reason", r.ID)
		}
	case claim.Dead:
		if len(letters) != 1 || letters[0].Entry != r.Letter || letters[0].Reason == "" {
			w.problem("%s is dead with the letters %+v, want one with a reason", r.ID, letters)
		}
	default:
		w.problem("%s is %q and has not ended", r.ID, r.State)
	}
	if r.State != claim.Dead && len(letters) != 0 {
		w.problem("%s is %s and has a dead letter", r.ID, r.State)
	}
	if len(moves) != want {
		w.problem("%s is %s, and its effect has happened %d times", r.ID, r.State, len(moves))
		return
	}
	if r.State == claim.Settled {
		m := moves[0]
		if m.Fence != r.Fence || m.Owner != r.Owner {
			w.problem("%s was settled by %d:%s, and its effect is of %d:%s", r.ID, r.Fence, r.Owner, m.Fence, m.Owner)
		}
		items, err := order.Items(r.Message)
		if err != nil {
			w.problem("%s is settled although its message is %q", r.ID, r.Message)
		}
		changes := map[string]int64{}
		for _, i := range items {
			changes[i.SKU] = -i.Quantity
		}
		if !maps.Equal(changes, m.Changes) {
			w.problem("%s moved %v, want %v", r.ID, m.Changes, changes)
		}
	}
}

// checkStock: what was there at the start is there, or in the ledger.
func (w *world) checkStock(s *shop) {
	want := map[string]int64{"001": w.plan.Stock["001"], "002": w.plan.Stock["002"]}
	for _, moves := range s.movements {
		for _, m := range moves {
			for sku, n := range m.Changes {
				want[sku] += n
			}
		}
	}
	for _, sku := range slices.Sorted(maps.Keys(want)) {
		if n, err := strconv.ParseInt(s.stock[sku], 10, 64); err != nil || n != want[sku] || n < 0 {
			w.problem("%s of %s are on hand, by the ledger %d", s.stock[sku], sku, want[sku])
		}
	}
}

// checkClients: what a client was told is so.
func (w *world) checkClients(s *shop) {
	placed := map[string]int{}
	for _, c := range w.posts {
		r, there := s.records[c.order.ID]
		same := there && r.Fingerprint == c.order.Fingerprint()
		switch c.answer.Verdict {
		case claim.Placed:
			placed[c.order.ID]++
			fallthrough
		case claim.Replayed:
			if !same {
				w.problem("client %s was told that its order is %s, and there is no record of it", c.actor.name, c.answer.Verdict)
			}
		case claim.Conflict:
			if !there || same {
				w.problem("client %s was told of a conflict, and there is none", c.actor.name)
			}
		}
	}
	for id, n := range placed {
		if n > 1 {
			w.problem("%d clients were told that %s was placed anew", n, id)
		}
	}
}

// checkOutcomes: what a contender has said of an order is so.
func (w *world) checkOutcomes(s *shop) {
	for _, o := range w.outcomes {
		r := s.records[o.Order]
		switch {
		case o.Outcome.Outcome == claim.Done && (r.State != o.Status || r.Owner != o.contender || r.Fence != o.Fence):
			w.problem("%s said that it has %s %s with fence %d; it is %s by %d:%s", o.contender, o.Status, o.Order, o.Fence, r.State, r.Fence, r.Owner)
		case o.Outcome.Outcome == claim.Already && r.State != o.Status:
			w.problem("%s said that %s was %s already; it is %s", o.contender, o.Order, o.Status, r.State)
		case o.Outcome.Outcome == claim.NoOrder:
			w.problem("%s said that there is no order %s", o.contender, o.Order)
		}
	}
}

// checkFaultless: where nothing went wrong, all is as if there were one contender.
func (w *world) checkFaultless(s *shop) {
	for _, o := range w.plan.Orders {
		r, there := s.records[o.ID]
		if !there {
			if !o.Posts[0].Foreign {
				w.problem("%s was not placed although nothing went wrong", o.ID)
			}
			continue
		}
		ours := r.Fingerprint == o.Fingerprint()
		hopeless := ours && o.Kind != Plain
		if dead := r.State == claim.Dead; dead && !hopeless && !w.poisoned() || !dead && hopeless {
			w.problem("%s (%s) is %s although nothing went wrong: %s", o.ID, o.Kind, r.State, r.Reason)
		}
	}
}

// poisoned reports whether there is an order that takes contenders, and with them
// the deliveries of other orders, away.
func (w *world) poisoned() bool {
	return slices.ContainsFunc(w.plan.Orders, func(o Order) bool { return o.Kind == Crashing })
}
