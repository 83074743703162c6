package contender_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/contender"
	"photofinish/shared/delivery"
	"photofinish/shared/redistest"
)

// push is an effect that shows how often it happened.
var push = claim.NewEffect("push", `redis.call('RPUSH', KEYS[1], order.id .. ' ' .. ARGV[1]) return 'settled'`)

// rig is a partition with some orders that were delivered.
type rig struct {
	rdb    *redis.Client
	engine *claim.Engine
	batch  delivery.Batch
}

func newRig(t *testing.T, rdb *redis.Client, ids ...string) *rig {
	t.Helper()
	e, err := claim.Open(rdb, "main", claim.Options{MaxDeliveries: 3})
	if err != nil {
		t.Fatal(err)
	}
	q := e.Queue("bridge")
	if err := q.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		p := claim.Placement{ID: id, Fingerprint: "f", Message: []byte("message of " + id), Trace: "trace-of-" + id}
		if _, err := e.Place(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	ds, err := q.Read(t.Context(), int64(len(ids)), -1)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{rdb: rdb, engine: e, batch: delivery.Batch{Warehouse: "main", Contenders: 1, Deliveries: ds}}
}

func (r *rig) contender(t *testing.T, o contender.Options) *contender.Contender {
	t.Helper()
	o.Open = func(string) (*claim.Engine, error) { return r.engine, nil }
	o.Effect = push
	c, err := contender.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// settle is work that has nothing to do but the effect.
func settle(_ context.Context, won claim.Claimed) (claim.Settlement, error) {
	return claim.Settlement{Keys: []string{"{main}:effects"}, Args: []any{string(won.Message)}}, nil
}

func TestEachOrderFailsForItself(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		r := newRig(t, rdb, "good", "bad", "worse", "fine")
		var log bytes.Buffer
		c := r.contender(t, contender.Options{
			Log: slog.New(slog.NewJSONHandler(&log, nil)),
			Work: func(ctx context.Context, won claim.Claimed) (claim.Settlement, error) {
				switch won.ID {
				case "bad":
					return claim.Settlement{}, errors.New("the card was declined")
				case "worse":
					panic("index out of range")
				}
				return settle(ctx, won)
			},
		})
		answer, err := c.Handle(t.Context(), r.batch)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, o := range answer.Outcomes {
			got[o.Order] = string(o.Outcome) + " " + o.Reason
		}
		for id, want := range map[string]string{
			"good": "settled ", "fine": "settled ", "bad": "failed the card was declined", "worse": "failed the work panicked: index out of range",
		} {
			if got[id] != want {
				t.Errorf("%s: %q, want %q", id, got[id], want)
			}
		}
		// In Lambda's own form: the entries that are to be delivered again.
		if len(answer.BatchItemFailures) != 2 || answer.BatchItemFailures[0].ItemIdentifier != r.batch.Deliveries[1].Entry {
			t.Errorf("failures %+v of %+v", answer.BatchItemFailures, r.batch.Deliveries)
		}
		if effects := rdb.LRange(t.Context(), "{main}:effects", 0, -1).Val(); fmt.Sprint(effects) != "[good message of good fine message of fine]" {
			t.Errorf("effects %q", effects)
		}
		for _, want := range []string{`"order":"good","outcome":"settled"`, `"trace":"trace-of-good"`, `"panic":"index out of range"`} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log has no %s:\n%s", want, log.String())
			}
		}
		// What failed is free at once.
		for _, id := range []string{"bad", "worse"} {
			if cs, err := r.engine.Claim(t.Context(), "other", time.Minute, []claim.Delivery{{ID: id, Count: 2}}); err != nil || cs[0].Outcome != claim.Won {
				t.Errorf("%s afterwards: %+v, %v", id, cs, err)
			}
		}
	})
}

// The work on one order does not wait for that on another.
func TestTheWorkOnABatchIsDoneAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, redistest.Embedded(t), "a", "b", "c")
	var started atomic.Int64
	all := make(chan struct{})
	c := r.contender(t, contender.Options{Work: func(ctx context.Context, won claim.Claimed) (claim.Settlement, error) {
		if started.Add(1) == 3 {
			close(all)
		}
		select {
		case <-ctx.Done():
			return claim.Settlement{}, ctx.Err()
		case <-all:
			return settle(ctx, won)
		}
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if answer, err := c.Handle(ctx, r.batch); err != nil || len(answer.BatchItemFailures) != 0 {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	open := func(string) (*claim.Engine, error) { return nil, nil }
	for want, o := range map[string]contender.Options{
		"Open, Effect and Work": {},
		"Lease":                 {Open: open, Effect: push, Work: settle, Lease: time.Millisecond},
	} {
		if _, err := contender.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error about %s", o, err, want)
		}
	}
	c, err := contender.New(contender.Options{Open: open, Effect: push, Work: settle})
	if err != nil || c.Lease != contender.DefaultLease || c.Name == "" {
		t.Errorf("without options: %+v, %v", c, err)
	}
}
