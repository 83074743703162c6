package claim_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

// A Redis that is full refuses every step whole: nothing is half-written, nothing
// is held against the order, and the same call succeeds later.
func TestAFullRedisRefusesEachStepWhole(t *testing.T) {
	ctx := context.Background()
	rdb := redistest.Server(t)
	full := func(on bool) {
		t.Helper()
		limit := "0"
		if on {
			limit = "1" // a byte: more is used already
		}
		if err := rdb.ConfigSet(ctx, "maxmemory", limit).Err(); err != nil {
			t.Fatal(err)
		}
	}
	e, err := claim.Open(rdb, "main", claim.Options{MaxDeliveries: 1})
	if err != nil {
		t.Fatal(err)
	}
	queue := e.Queue("one")
	if err := queue.Join(ctx); err != nil {
		t.Fatal(err)
	}
	effect := claim.NewEffect("push", `redis.call('RPUSH', KEYS[1], order.id) return 'settled'`)
	var claims []claim.Claimed
	steps := []struct {
		name string
		do   func() error
	}{
		{"place", func() error {
			_, err := e.Place(ctx, claim.Placement{ID: "29", Fingerprint: "f", Message: []byte("m")})
			return err
		}},
		{"claim", func() (err error) {
			claims, err = e.Claim(ctx, "A", time.Minute, []claim.Delivery{{ID: "29", Count: 1}})
			return err
		}},
		{"settle", func() error {
			ends, err := e.Settle(ctx, "A", effect, []claim.Settlement{{Held: claim.Held{ID: "29", Fence: claims[0].Fence}, Keys: []string{"{main}:effects"}}})
			if err == nil && ends[0].Outcome != claim.Done {
				t.Errorf("settle: %+v", ends[0])
			}
			return err
		}},
		{"receive", func() error {
			got, err := e.Receive(ctx, effect, claim.Receipt{ID: "in-1", Keys: []string{"{main}:effects"}})
			if err == nil && got.Verdict != "received" {
				t.Errorf("receive: %+v", got)
			}
			return err
		}},
	}
	for _, step := range steps {
		before := keys(t, rdb)
		full(true)
		if err := step.do(); !claim.Unavailable(err) {
			t.Errorf("%s on a full Redis: %v, want that it is not available", step.name, err)
		}
		if after := keys(t, rdb); after != before {
			t.Errorf("%s on a full Redis has changed the keys from %s to %s", step.name, before, after)
		}
		full(false)
		if err := step.do(); err != nil {
			t.Errorf("%s afterwards: %v", step.name, err)
		}
		if step.name == "place" {
			if ds, err := queue.Read(ctx, 1, -1); err != nil || len(ds) != 1 {
				t.Fatalf("delivered %v, %v", ds, err)
			}
		}
	}
	if n := rdb.LLen(ctx, "{main}:effects").Val(); n != 2 {
		t.Errorf("the effect happened %d times, want once for the order and once for the receipt", n)
	}
}

// keys are the names and contents of all keys, as far as they tell of a change.
func keys(t *testing.T, rdb *redis.Client) string {
	t.Helper()
	text, err := rdb.Eval(context.Background(), `
		local names, all = redis.call('KEYS', '*'), {}
		table.sort(names)
		for i, name in ipairs(names) do all[i] = name .. '=' .. redis.sha1hex(redis.call('DUMP', name)) end
		return table.concat(all, ' ')`, nil).Text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
