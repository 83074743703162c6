package proof

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/stock"
)

const page = 1000 // keys or entries read at once

// holding is all that Redis holds of one warehouse.
type holding struct {
	name    string
	records map[string]claim.Record
	expires map[string]bool // records with a time to live
	locks   map[string]string
	entries map[string]string // of the stream: entry → order
	letters map[string]bool   // entries of the dead letters
	levels  map[string]string // stock as it was when the ledger ended at levelsAt
	// levelsAt is the last entry of the ledger that the levels include.
	levelsAt  string
	movements []stock.Movement
	plain     map[string]bool // keys that were begun by a handler, and not placed
	unread    []string        // entries of the ledger that make no sense
}

// read reads the warehouses that have any keys.
func read(ctx context.Context, rdb redis.UniversalClient, progress func(int)) ([]*holding, error) {
	keys, err := scan(ctx, rdb, progress)
	if err != nil {
		return nil, err
	}
	var all []*holding
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		h := &holding{
			name: name, records: map[string]claim.Record{}, plain: map[string]bool{}, expires: map[string]bool{}, locks: map[string]string{},
			entries: map[string]string{}, letters: map[string]bool{},
		}
		for _, step := range []func() error{
			func() error { return h.readLevels(ctx, rdb) },
			func() error { return h.readRecords(ctx, rdb, keys[name].orders) },
			func() error { return h.readLocks(ctx, rdb, keys[name].locks) },
			func() error { return h.readStreams(ctx, rdb) },
		} {
			if err := step(); err != nil {
				return nil, fmt.Errorf("warehouse %s: %w", name, err)
			}
		}
		all = append(all, h)
	}
	return all, nil
}

// ids are the orders and locks that a warehouse has keys of.
type ids struct{ orders, locks []string }

// scan finds the warehouses and their orders by the names of all keys.
func scan(ctx context.Context, rdb redis.UniversalClient, progress func(int)) (map[string]*ids, error) {
	found := map[string]*ids{}
	seen := 0
	var mu sync.Mutex // the nodes of a cluster are scanned at once
	node := func(ctx context.Context, c *redis.Client) error {
		it := c.Scan(ctx, 0, "{*}:*", page).Iterator()
		for it.Next(ctx) {
			tag, rest, _ := strings.Cut(strings.TrimPrefix(it.Val(), "{"), "}:")
			kind, id, hasID := strings.Cut(rest, ":")
			mu.Lock()
			w := found[tag]
			if w == nil && slices.Contains([]string{"orders", "order", "lock", "stock", "ledger", "dead", "receipt", "beat"}, kind) {
				w = &ids{}
				found[tag] = w
			}
			switch {
			case hasID && kind == "order":
				w.orders = append(w.orders, id)
			case hasID && kind == "lock":
				w.locks = append(w.locks, id)
			}
			seen++
			if seen%page == 0 {
				progress(seen)
			}
			mu.Unlock()
		}
		return it.Err()
	}
	var err error
	if cluster, ok := rdb.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, node)
	} else if single, ok := rdb.(*redis.Client); ok {
		err = node(ctx, single)
	} else {
		err = fmt.Errorf("a client of type %T cannot be scanned", rdb)
	}
	progress(seen)
	return found, err
}

// levelsScript reads the stock and the end of the ledger at one moment.
var levelsScript = redis.NewScript(`
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
return {last and last[1] or '0-0', redis.call('HGETALL', KEYS[1])}`)

func (h *holding) readLevels(ctx context.Context, rdb redis.UniversalClient) error {
	answer, err := levelsScript.Run(ctx, rdb, []string{stock.Key(h.name), stock.Ledger(h.name)}).Slice()
	if err != nil {
		return err
	}
	if len(answer) != 2 {
		return errors.New("the stock could not be read")
	}
	h.levelsAt, _ = answer[0].(string)
	flat, _ := answer[1].([]any)
	h.levels = map[string]string{}
	for i := 0; i+1 < len(flat); i += 2 {
		h.levels[fmt.Sprint(flat[i])] = fmt.Sprint(flat[i+1])
	}
	return nil
}

func (h *holding) readRecords(ctx context.Context, rdb redis.UniversalClient, orders []string) error {
	keys, err := claim.Open(rdb, h.name, claim.Options{})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(orders, page) {
		pipe := rdb.Pipeline()
		hashes := make([]*redis.MapStringStringCmd, len(part))
		lives := make([]*redis.DurationCmd, len(part))
		for i, id := range part {
			hashes[i] = pipe.HGetAll(ctx, keys.Keys().Record(id))
			lives[i] = pipe.TTL(ctx, keys.Keys().Record(id))
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
		for i, id := range part {
			_, placed := hashes[i].Val()["msg"]
			switch {
			case len(hashes[i].Val()) == 0: // it has expired meanwhile
			case !placed:
				h.plain[id] = true
			default:
				h.records[id] = claim.ParseRecord(id, hashes[i].Val())
				h.expires[id] = lives[i].Val() > 0
			}
		}
	}
	return nil
}

func (h *holding) readLocks(ctx context.Context, rdb redis.UniversalClient, orders []string) error {
	keys, err := claim.Open(rdb, h.name, claim.Options{})
	if err != nil {
		return err
	}
	for _, id := range orders {
		value, err := rdb.Get(ctx, keys.Keys().Lock(id)).Result()
		if errors.Is(err, redis.Nil) {
			continue // it has ended meanwhile
		}
		if err != nil {
			return err
		}
		h.locks[id] = value
	}
	return nil
}

func (h *holding) readStreams(ctx context.Context, rdb redis.UniversalClient) error {
	engine, err := claim.Open(rdb, h.name, claim.Options{})
	if err != nil {
		return err
	}
	err = each(ctx, rdb, engine.Keys().Stream(), func(m redis.XMessage) {
		id, _ := m.Values["id"].(string)
		h.entries[m.ID] = id
	})
	if err != nil {
		return err
	}
	if err := each(ctx, rdb, engine.Keys().Dead(), func(m redis.XMessage) { h.letters[m.ID] = true }); err != nil {
		return err
	}
	return each(ctx, rdb, stock.Ledger(h.name), func(m redis.XMessage) {
		v, err := stock.ParseMovement(m)
		if err != nil {
			h.unread = append(h.unread, err.Error())
			return
		}
		h.movements = append(h.movements, v)
	})
}

// each goes through a stream from its start.
func each(ctx context.Context, rdb redis.UniversalClient, key string, visit func(redis.XMessage)) error {
	for start := "-"; ; {
		entries, err := rdb.XRangeN(ctx, key, start, "+", page).Result()
		if err != nil {
			return err
		}
		for _, m := range entries {
			visit(m)
		}
		if len(entries) < page {
			return nil
		}
		ms, seq := split(entries[len(entries)-1].ID)
		start = strconv.FormatUint(ms, 10) + "-" + strconv.FormatUint(seq+1, 10)
	}
}

// split reads the two numbers of a stream id.
func split(id string) (ms, seq uint64) {
	a, b, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(a, 10, 64)
	seq, _ = strconv.ParseUint(b, 10, 64)
	return ms, seq
}

// notAfter reports whether a stream id is at or before another.
func notAfter(id, other string) bool {
	ms, seq := split(id)
	otherMS, otherSeq := split(other)
	return ms < otherMS || ms == otherMS && seq <= otherSeq
}
