package claim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
)

// remains are what is left in Redis.
type remains struct {
	records map[string]claim.Record
	locks   map[string]string   // by order: "<fence>:<owner>"
	entries map[string]string   // of the stream: by entry, the order
	pending map[string]bool     // by entry
	effects map[string][]string // by order: who did it, as in its lock
	sold    int
}

func (s *shop) left(t *testing.T) *remains {
	t.Helper()
	ctx := t.Context()
	left := &remains{map[string]claim.Record{}, map[string]string{}, map[string]string{}, map[string]bool{}, map[string][]string{}, 0}
	must := func(err error) {
		t.Helper()
		if err != nil && err != redis.Nil { //nolint:errorlint // redis.Nil is never wrapped
			t.Fatal(err)
		}
	}
	keys, err := s.rdb.Keys(ctx, "*").Result()
	must(err)
	for _, key := range keys {
		if id, ok := strings.CutPrefix(key, s.Keys().Record("")); ok {
			r, _, err := s.Lookup(ctx, id)
			must(err)
			left.records[id] = r
		}
		if id, ok := strings.CutPrefix(key, s.Keys().Lock("")); ok {
			left.locks[id], err = s.rdb.Get(ctx, key).Result()
			must(err)
		}
	}
	entries, err := s.rdb.XRange(ctx, s.Keys().Stream(), "-", "+").Result()
	must(err)
	for _, m := range entries {
		left.entries[m.ID] = fmt.Sprint(m.Values["id"])
	}
	pending, err := s.Queue("looker").Pending(ctx, 0, "", 10000)
	must(err)
	for _, p := range pending {
		left.pending[p.Entry] = true
	}
	effects, err := s.rdb.LRange(ctx, s.effects(), 0, -1).Result()
	must(err)
	for _, e := range effects {
		id, by, _ := strings.Cut(e, " ")
		left.effects[id] = append(left.effects[id], by)
	}
	left.sold, err = s.rdb.Get(ctx, s.sold()).Int()
	must(err)
	return left
}

// whole requires that there is no part of an order without the rest.
func (left *remains) whole(t *testing.T) {
	t.Helper()
	total := 0
	for id, by := range left.effects {
		total += len(by)
		r := left.records[id]
		if len(by) != 1 || r.State != claim.Settled || by[0] != (holding{claim.Held{Fence: r.Fence}, r.Owner}).lock() {
			t.Errorf("order %s has the effects %q, and on record is %+v", id, by, r)
		}
	}
	if total != left.sold {
		t.Errorf("the count is %d, of %d effects", left.sold, total)
	}
	for id, r := range left.records {
		switch {
		case r.State == claim.Settled && len(left.effects[id]) == 1 && left.locks[id] == "":
		case r.State == claim.Accepted && left.entries[r.Entry] == id:
		default:
			t.Errorf("order %s has %+v on record, the lock %q and the effects %q, and its entry bears %q", id, r, left.locks[id], left.effects[id], left.entries[r.Entry])
		}
	}
	for entry, id := range left.entries {
		if r := left.records[id]; r.State != claim.Accepted || r.Entry != entry {
			t.Errorf("the entry %s is of order %s, which has %+v on record", entry, id, r)
		}
	}
	for entry := range left.pending {
		if left.entries[entry] == "" {
			t.Errorf("%s is pending, but not in the stream", entry)
		}
	}
	for id, lock := range left.locks {
		if r, ok := left.records[id]; !ok || lock != (holding{claim.Held{Fence: r.Fence}, r.Owner}).lock() {
			t.Errorf("the lock of %s is %q, on record is %+v", id, lock, r)
		}
	}
}

// has requires all that was told to be on record.
func (left *remains) has(t *testing.T, told answers) {
	t.Helper()
	for id := range told.placed {
		if _, ok := left.records[id]; !ok {
			t.Errorf("order %s was accepted and is gone", id)
		}
	}
	for id, h := range told.held {
		if r := left.records[id]; r.Fence < h.Fence || r.Fence == h.Fence && r.Owner != h.owner {
			t.Errorf("order %s was claimed by %s; on record is %+v", id, h.lock(), r)
		}
	}
	for id, h := range told.settled {
		if r := left.records[id]; r.State != claim.Settled || r.Fence != h.Fence || r.Owner != h.owner {
			t.Errorf("order %s was settled by %s; on record is %+v", id, h.lock(), r)
		}
	}
}
