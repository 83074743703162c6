package console

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"photofinish/shared/claim"
)

// Bounds of what is kept of the races. Log lines can hold anything.
const (
	maxRaces     = 500
	maxLanes     = 32 // of one race; the winner's is always kept
	maxBibs      = 1000
	maxWord      = 32 // bytes of an outcome or a status
	maxName      = 200
	maxReason    = 500
	maxClockSkew = time.Minute
)

// key identifies an order.
type key struct{ warehouse, id string }

// lane is what one contender said of an order.
type lane struct {
	contender   string
	environment string
	bib         int // the number that the environment wears in every race
	outcome     string
	status      string
	fence       int64
	reason      string
	at          time.Time
}

// race is what is known of an order from the contenders' log lines.
type race struct {
	key
	lanes []lane // in order of arrival
	more  int    // lanes that were not kept
	ended bool   // counted as settled or rejected
}

// tally counts the orders that ended in a warehouse.
type tally struct{ settled, rejected int }

// races keeps the latest races, from the log lines of the contenders.
type races struct {
	mu      sync.Mutex
	byKey   map[key]*race
	recent  []key // by the first line of each, oldest first
	bibs    map[string]int
	wearers []string // of bibs, oldest first
	lastBib int
	tallies map[string]*tally // of the warehouses shown
}

func newRaces(warehouses []string) *races {
	r := &races{byKey: map[key]*race{}, bibs: map[string]int{}, tallies: map[string]*tally{}}
	for _, name := range warehouses {
		r.tallies[name] = &tally{}
	}
	return r
}

// report is the line that a contender logs for each order that it was handed.
type report struct {
	Time      time.Time `json:"time"`
	Order     string    `json:"order"`
	Outcome   string    `json:"outcome"`
	Contender string    `json:"contender"`
	Warehouse string    `json:"warehouse"`
	Status    string    `json:"status"`
	Fence     int64     `json:"fence"`
	Reason    string    `json:"reason"`
}

// line takes note of a contender's report; other lines mean nothing here.
func (r *races) line(l Line) {
	if !strings.Contains(l.Text, `"outcome"`) || len(l.Text) > maxLine {
		return
	}
	var p report
	if json.Unmarshal([]byte(l.Text), &p) != nil || p.Order == "" || p.Outcome == "" || p.Contender == "" {
		return
	}
	if d := l.Time.Sub(p.Time); d < -maxClockSkew || d > maxClockSkew {
		p.Time = l.Time
	}
	environment := l.Environment
	if environment == "" { // a contender is named after its environment
		environment, _, _ = strings.Cut(p.Contender, ".")
	}
	r.add(key{cut(p.Warehouse, maxName), cut(p.Order, maxName)}, lane{
		contender: cut(p.Contender, maxName), environment: cut(environment, maxName),
		outcome: cut(p.Outcome, maxWord), status: cut(p.Status, maxWord), reason: cut(p.Reason, maxReason),
		fence: p.Fence, at: p.Time,
	})
}

func (r *races) add(k key, l lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.byKey[k]
	if v == nil {
		if len(r.recent) == maxRaces {
			delete(r.byKey, r.recent[0])
			r.recent = slices.Delete(r.recent, 0, 1)
		}
		v = &race{key: k}
		r.byKey[k] = v
		r.recent = append(r.recent, k)
	}
	l.bib = r.bib(l.environment)
	v.put(l)
	if t := r.tallies[k.warehouse]; t != nil && won(l) && !v.ended {
		v.ended = true
		if l.status == string(claim.Rejected) {
			t.rejected++
		} else {
			t.settled++
		}
	}
}

func won(l lane) bool { return l.outcome == string(claim.Done) }

// put adds a lane, in its place by time. A contender has one: what it says last
// counts.
func (v *race) put(l lane) {
	if i := slices.IndexFunc(v.lanes, func(o lane) bool { return o.contender == l.contender }); i >= 0 {
		v.lanes = slices.Delete(v.lanes, i, i+1)
	}
	if len(v.lanes) >= maxLanes {
		v.more++
		if !won(l) {
			return
		}
		v.lanes = slices.Delete(v.lanes, maxLanes-1, maxLanes)
	}
	v.lanes = append(v.lanes, l)
	slices.SortStableFunc(v.lanes, func(a, b lane) int { return a.at.Compare(b.at) })
}

// bib is the number of an environment, given at its first race.
func (r *races) bib(environment string) int {
	if n := r.bibs[environment]; n > 0 {
		return n
	}
	if len(r.wearers) == maxBibs {
		delete(r.bibs, r.wearers[0])
		r.wearers = slices.Delete(r.wearers, 0, 1)
	}
	r.lastBib++
	r.bibs[environment] = r.lastBib
	r.wearers = append(r.wearers, environment)
	return r.lastBib
}

// latest lists the orders with the latest reports, at most n.
func (r *races) latest(n int) []ref {
	r.mu.Lock()
	defer r.mu.Unlock()
	refs := make([]ref, 0, len(r.byKey))
	for k, v := range r.byKey {
		refs = append(refs, ref{k, v.lanes[len(v.lanes)-1].at})
	}
	slices.SortFunc(refs, func(a, b ref) int {
		return cmp.Or(b.at.Compare(a.at), strings.Compare(a.id, b.id))
	})
	return refs[:min(n, len(refs))]
}

// get copies a race; it has no lanes if nothing is known of it.
func (r *races) get(k key) race {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.byKey[k]
	if v == nil {
		return race{key: k}
	}
	copied := *v
	copied.lanes = slices.Clone(v.lanes)
	return copied
}

// tally counts what ended in one of the warehouses shown.
func (r *races) tally(warehouse string) tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	return *r.tallies[warehouse]
}

// wears is the number of an environment, 0 if it has never raced.
func (r *races) wears(environment string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bibs[environment]
}

// cut shortens a text that comes from outside.
func cut(s string, limit int) string {
	if len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}
