package claim

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Inspection is what Redis holds of one key at one moment, for people and tools
// that look after an engine. It changes nothing.
type Inspection struct {
	Record
	// Plain says that the key was begun, and not placed.
	Plain bool
	// Lock is nil while nobody holds the key.
	Lock *Lock
	// Expires is how long the record will be kept, 0 if there is no end yet.
	Expires time.Duration
	// At is when this was so, by Redis' clock.
	At time.Time
}

// Lock is who holds a key, and for how long.
type Lock struct {
	Fence int64
	Owner string
	// Left is what is left of the lease. It is negative for a lock that lost its
	// lease, which the next claim mends.
	Left time.Duration
}

// inspectPage is how many records are looked at in one round trip.
const inspectPage = 200

// inspectScript reads records and their locks at one moment. Its keys are a
// record and its lock, in turn; it returns the time in ms, and for each record its
// fields, the lock, and what is left of the lock and of the record, in ms. What is
// no record has no fields.
var inspectScript = redis.NewScript(`
local t = redis.call('TIME')
local answers = {string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))}
for i = 1, #KEYS, 2 do
  local fields, lock = redis.pcall('HGETALL', KEYS[i]), redis.pcall('GET', KEYS[i + 1])
  if fields.err then fields = {} end
  if type(lock) == 'table' then lock = false end
  answers[#answers + 1] = {fields, lock, redis.call('PTTL', KEYS[i + 1]), redis.call('PTTL', KEYS[i])}
end
return answers`)

// Inspect looks at keys by their ids. Those that have no record are left out; the
// others come in the order of the ids.
func (e *Engine) Inspect(ctx context.Context, ids ...string) ([]Inspection, error) {
	for _, id := range ids {
		if !ValidID(id) {
			return nil, fmt.Errorf("claim: inspect: %w: %.200q", ErrInvalidID, id)
		}
	}
	found := make([]Inspection, 0, len(ids))
	for page := range slices.Chunk(ids, inspectPage) {
		keys := make([]string, 0, 2*len(page))
		for _, id := range page {
			keys = append(keys, e.keys.Record(id), e.keys.Lock(id))
		}
		answer, err := inspectScript.Run(ctx, e.rdb, keys).Slice()
		if err != nil {
			return nil, fmt.Errorf("claim: inspect: %w", err)
		}
		if len(answer) != 1+len(page) {
			return nil, fmt.Errorf("%w: inspect: %d answers for %d", errProtocol, len(answer), len(page))
		}
		at := time.UnixMilli(reply(answer).number(0)).UTC()
		for i, id := range page {
			row, _ := answer[1+i].([]any)
			if len(row) != 4 {
				return nil, fmt.Errorf("%w: inspect: %v", errProtocol, answer[1+i])
			}
			if one, ok := inspection(id, row); ok {
				one.At = at
				found = append(found, one)
			}
		}
	}
	return found, nil
}

func inspection(id string, row reply) (Inspection, bool) {
	flat, _ := row[0].([]any)
	fields := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		fields[reply(flat).text(i)] = reply(flat).text(i + 1)
	}
	if len(fields) == 0 {
		return Inspection{}, false
	}
	_, placed := fields["msg"]
	one := Inspection{Record: ParseRecord(id, fields), Plain: !placed}
	if holder := row.text(1); holder != "" {
		one.Lock = &Lock{Left: time.Duration(row.number(2)) * time.Millisecond}
		one.Lock.Fence, one.Lock.Owner = parseHolder(holder)
	}
	if left := row.number(3); left > 0 {
		one.Expires = time.Duration(left) * time.Millisecond
	}
	return one, true
}

// Inspections goes through all records of the partition whose ids begin with
// prefix, in no order. It goes through the names of all keys that share the Redis
// or, in a cluster, the primary with the partition, some at a time, so that others
// are not kept waiting. A record may come twice, and one that is made or moved to
// another primary meanwhile may not come.
func (e *Engine) Inspections(ctx context.Context, prefix string) iter.Seq2[Inspection, error] {
	return func(yield func(Inspection, error) bool) {
		if prefix != "" && !ValidID(prefix) {
			yield(Inspection{}, fmt.Errorf("claim: inspections: %w: prefix %.200q", ErrInvalidID, prefix))
			return
		}
		node, err := e.primary(ctx)
		if err != nil {
			yield(Inspection{}, fmt.Errorf("claim: inspections: %w", err))
			return
		}
		record := e.keys.Record("")
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			var keys []string
			keys, cursor, err = node.Scan(ctx, cursor, record+prefix+"*", 5*inspectPage).Result()
			if err != nil {
				yield(Inspection{}, fmt.Errorf("claim: inspections: %w", err))
				return
			}
			ids := make([]string, 0, len(keys))
			for _, key := range keys {
				if id := strings.TrimPrefix(key, record); ValidID(id) { // else it is none of the engine's
					ids = append(ids, id)
				}
			}
			page, err := e.Inspect(ctx, ids...)
			if err != nil {
				yield(Inspection{}, err)
				return
			}
			for _, one := range page {
				if !yield(one, nil) {
					return
				}
			}
		}
	}
}

// primary is the client of the server that has the partition.
func (e *Engine) primary(ctx context.Context) (*redis.Client, error) {
	switch rdb := e.rdb.(type) {
	case *redis.Client:
		return rdb, nil
	case *redis.ClusterClient:
		return rdb.MasterForKey(ctx, e.keys.Stream())
	default:
		return nil, argumentError(fmt.Sprintf("a client of type %T cannot be scanned", rdb))
	}
}

// Partition is a partition that was found in a Redis.
type Partition struct {
	Name    string
	Records int64 // about: a record may have been counted twice
}

// Partitions finds the partitions that have records, a stream or dead letters, by
// the names of all keys, on every primary of a cluster.
func Partitions(ctx context.Context, rdb redis.UniversalClient) ([]Partition, error) {
	var mu sync.Mutex // the primaries are scanned at once
	found := map[string]int64{}
	scan := func(ctx context.Context, node *redis.Client) error {
		names := node.Scan(ctx, 0, "{*}:*", 5*inspectPage).Iterator()
		for names.Next(ctx) {
			name, rest, _ := strings.Cut(strings.TrimPrefix(names.Val(), "{"), "}:")
			kind, id, _ := strings.Cut(rest, ":")
			if !validPartition(name) {
				continue
			}
			mu.Lock()
			switch {
			case kind == "order" && ValidID(id):
				found[name]++
			case rest == "orders" || rest == "dead":
				found[name] += 0
			}
			mu.Unlock()
		}
		return names.Err()
	}
	var err error
	switch c := rdb.(type) {
	case *redis.Client:
		err = scan(ctx, c)
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, scan)
	default:
		err = argumentError(fmt.Sprintf("a client of type %T cannot be scanned", rdb))
	}
	if err != nil {
		return nil, fmt.Errorf("claim: partitions: %w", err)
	}
	all := make([]Partition, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, Partition{Name: name, Records: found[name]})
	}
	return all, nil
}

// Known reports whether Redis holds anything of the partition: a stream, dead
// letters or a record.
func (e *Engine) Known(ctx context.Context) (bool, error) {
	n, err := e.rdb.Exists(ctx, e.keys.Stream()).Result()
	if err == nil && n == 0 {
		n, err = e.rdb.Exists(ctx, e.keys.Dead()).Result()
	}
	if err != nil {
		return false, fmt.Errorf("claim: known: %w", err)
	}
	if n > 0 {
		return true, nil
	}
	for _, err := range e.Inspections(ctx, "") {
		return err == nil, err
	}
	return false, nil
}
