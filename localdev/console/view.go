package console

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/stock"
)

const (
	maxOrders  = 50   // shown, and read from each stream
	maxLevels  = 50   // shown of each warehouse
	levelsRead = 1000 // of which those are the first by SKU
)

// ref points to an order, with a time at which something happened to it.
type ref struct {
	key
	at time.Time
}

// view is what was read from Redis.
type view struct {
	houses  map[string]house
	orders  []ref // the latest, at most maxOrders
	records map[key]claim.Record
	failure string // why the last read failed; the rest is from before then
}

// house is what was read of one warehouse.
type house struct {
	waiting, dead, skus int64
	attended            bool // a bridge is at work
	levels              []stock.Level
	letters             []claim.Letter // newest first
	problem             string
}

// read reads Redis in two round trips: what there is, and the records of the
// orders that are shown.
func (c *Console) read(ctx context.Context) (view, error) {
	v := view{houses: map[string]house{}, records: map[key]claim.Record{}}
	refs, err := c.readHouses(ctx, v.houses)
	if err != nil {
		return view{}, err
	}
	v.orders = newest(append(refs, c.races.latest(maxOrders)...))
	return v, c.readRecords(ctx, v)
}

func (c *Console) readHouses(ctx context.Context, houses map[string]house) ([]ref, error) {
	type answers struct {
		waiting, dead, skus, beat *redis.IntCmd
		orders, letters, ledger   *redis.XMessageSliceCmd
		levels                    *redis.ScanCmd
	}
	pipe := c.cfg.Redis.Pipeline()
	asked := make([]answers, len(c.cfg.Warehouses))
	for i, name := range c.cfg.Warehouses {
		keys := c.engines[name].Keys()
		asked[i] = answers{
			waiting: pipe.XLen(ctx, keys.Stream()),
			dead:    pipe.XLen(ctx, keys.Dead()),
			skus:    pipe.HLen(ctx, stock.Key(name)),
			beat:    pipe.Exists(ctx, keys.Beat()),
			orders:  pipe.XRevRangeN(ctx, keys.Stream(), "+", "-", maxOrders),
			letters: pipe.XRevRangeN(ctx, keys.Dead(), "+", "-", maxOrders),
			ledger:  pipe.XRevRangeN(ctx, stock.Ledger(name), "+", "-", maxOrders),
			levels:  pipe.HScan(ctx, stock.Key(name), 0, "", levelsRead),
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read the warehouses: %w", err)
	}
	var refs []ref
	for i, name := range c.cfg.Warehouses {
		a := asked[i]
		h := house{waiting: a.waiting.Val(), dead: a.dead.Val(), skus: a.skus.Val(), attended: a.beat.Val() == 1}
		for _, m := range a.orders.Val() {
			refs = append(refs, ref{key{name, text(m, "id")}, entryTime(m.ID)})
		}
		for _, m := range a.letters.Val() {
			l := claim.Letter{Entry: m.ID, ID: text(m, "id"), Reason: text(m, "reason"), At: entryTime(m.ID)}
			h.letters = append(h.letters, l)
			refs = append(refs, ref{key{name, l.ID}, l.At})
		}
		for _, m := range a.ledger.Val() {
			if id := text(m, "order"); id != "" {
				refs = append(refs, ref{key{name, id}, entryTime(m.ID)})
			}
		}
		pairs, _ := a.levels.Val()
		h.levels, h.problem = levels(pairs)
		houses[name] = h
	}
	return refs, nil
}

// levels reads pairs of SKU and units; a level that is no number is a problem to
// be shown, and no reason to hide the others.
func levels(pairs []string) (first []stock.Level, problem string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		units, err := strconv.ParseInt(pairs[i+1], 10, 64)
		if err != nil {
			problem = fmt.Sprintf("the level of %.64q is not a whole number: %.40q", pairs[i], pairs[i+1])
			continue
		}
		first = append(first, stock.Level{SKU: pairs[i], OnHand: units})
	}
	slices.SortFunc(first, func(a, b stock.Level) int { return strings.Compare(a.SKU, b.SKU) })
	return first[:min(len(first), maxLevels)], problem
}

// newest picks the orders that something happened to last, each once.
func newest(refs []ref) []ref {
	latest := make(map[key]time.Time, len(refs))
	for _, r := range refs {
		if at, ok := latest[r.key]; r.id != "" && (!ok || r.at.After(at)) {
			latest[r.key] = r.at
		}
	}
	picked := make([]ref, 0, len(latest))
	for k, at := range latest {
		picked = append(picked, ref{k, at})
	}
	slices.SortFunc(picked, func(a, b ref) int {
		return cmp.Or(b.at.Compare(a.at), strings.Compare(a.warehouse, b.warehouse), strings.Compare(a.id, b.id))
	})
	return picked[:min(len(picked), maxOrders)]
}

func (c *Console) readRecords(ctx context.Context, v view) error {
	pipe := c.cfg.Redis.Pipeline()
	asked := map[key]*redis.MapStringStringCmd{}
	for _, o := range v.orders {
		// Ids come from outside: only a valid one may become part of a key.
		if engine := c.engines[o.warehouse]; engine != nil && claim.ValidID(o.id) {
			asked[o.key] = pipe.HGetAll(ctx, engine.Keys().Record(o.id))
		}
	}
	if len(asked) == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("read the records: %w", err)
	}
	for k, cmd := range asked {
		if fields := cmd.Val(); len(fields) > 0 {
			v.records[k] = claim.ParseRecord(k.id, fields)
		}
	}
	return nil
}

func text(m redis.XMessage, name string) string {
	s, _ := m.Values[name].(string)
	return s
}

// entryTime is the time in the id of a stream's entry, which begins with it.
func entryTime(entry string) time.Time {
	ms, _, _ := strings.Cut(entry, "-")
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(n)
}
