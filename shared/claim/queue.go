package claim

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Queue reads the deliveries of an engine as one consumer of its group. What is
// read stays pending until the order is settled or buried: reading again, by
// this or another consumer, is what redelivers it.
type Queue struct {
	engine   *Engine
	consumer string
}

// Queue returns the queue as the named consumer, which has to be unique to the
// process and its start.
func (e *Engine) Queue(consumer string) *Queue { return &Queue{engine: e, consumer: consumer} }

// Join makes the stream and the group where they are missing. A new group
// starts with the oldest entry, so that nothing placed before is passed over.
func (q *Queue) Join(ctx context.Context) error {
	err := q.engine.rdb.XGroupCreateMkStream(ctx, q.engine.keys.Stream(), q.engine.opts.Group, "0").Err()
	if err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
		return fmt.Errorf("claim: join: %w", err)
	}
	return nil
}

// Read takes up to limit orders that were not delivered yet, and waits for one
// for as long as block. It returns none when that has passed.
func (q *Queue) Read(ctx context.Context, limit int64, block time.Duration) ([]Delivery, error) {
	streams, err := q.engine.rdb.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: q.engine.opts.Group, Consumer: q.consumer,
		Streams: []string{q.engine.keys.Stream(), ">"}, Count: limit, Block: block,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("claim: read: %w", err)
	}
	var ds []Delivery
	for _, s := range streams {
		for _, m := range s.Messages {
			ds = append(ds, Delivery{Entry: m.ID, ID: field(m, "id"), Count: 1})
		}
	}
	return ds, nil
}

// NoGroup reports whether an error means that the stream or its group is gone,
// as after a FLUSHALL: Join makes them anew.
func NoGroup(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && (redis.HasErrorPrefix(reply, "NOGROUP") || redis.HasErrorPrefix(reply, "ERR no such key"))
}

// Pending is a delivery that has not been acknowledged.
type Pending struct {
	Entry      string
	Consumer   string
	Idle       time.Duration // since it was last delivered
	Deliveries int64
}

// Pending lists what is pending for at least the time given, oldest first, at
// most limit, after the entry given ("" for the start).
func (q *Queue) Pending(ctx context.Context, idle time.Duration, after string, limit int64) ([]Pending, error) {
	start, err := following(after)
	if err != nil {
		return nil, err
	}
	list, err := q.engine.rdb.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: q.engine.keys.Stream(), Group: q.engine.opts.Group,
		Idle: idle, Start: start, End: "+", Count: limit,
	}).Result()
	if err != nil {
		return nil, fmt.Errorf("claim: pending: %w", err)
	}
	pending := make([]Pending, len(list))
	for i, p := range list {
		pending[i] = Pending{Entry: p.ID, Consumer: p.Consumer, Idle: p.Idle, Deliveries: p.RetryCount}
	}
	return pending, nil
}

// Take delivers pending entries again, to this consumer, each only if it has
// been idle for at least its Idle: of several consumers that try, one gets it.
func (q *Queue) Take(ctx context.Context, ps []Pending) ([]Delivery, error) {
	if len(ps) == 0 {
		return nil, nil
	}
	args := []any{q.engine.opts.Group, q.consumer}
	for _, p := range ps {
		args = append(args, p.Entry, p.Idle.Milliseconds())
	}
	replies, err := q.engine.runBatch(ctx, "take", nil, []string{q.engine.keys.Stream()}, args, len(ps))
	if err != nil {
		return nil, err
	}
	var ds []Delivery
	for i, r := range replies {
		if r.word() == "taken" {
			ds = append(ds, Delivery{Entry: ps[i].Entry, ID: r.text(1), Count: r.number(2)})
		}
	}
	return ds, nil
}

// following is the first id that can come after an entry's, or "-" for "". Not
// every Redis knows exclusive ranges.
func following(entry string) (string, error) {
	if entry == "" {
		return "-", nil
	}
	ms, seq, _ := strings.Cut(entry, "-")
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return "", argumentError(fmt.Sprintf("claim: %.40q is not the id of an entry", entry))
	}
	return ms + "-" + strconv.FormatUint(n+1, 10), nil
}

// HandBack takes back the count of deliveries that reached no contender.
func (q *Queue) HandBack(ctx context.Context, ds []Delivery) error {
	if len(ds) == 0 {
		return nil
	}
	args := []any{q.engine.opts.Group, q.consumer}
	for _, d := range ds {
		args = append(args, d.Entry)
	}
	_, err := q.engine.run(ctx, "handback", nil, []string{q.engine.keys.Stream()}, args)
	return err
}

// Leave removes this consumer from the group, unless something is pending for
// it: that is left for the others to take.
func (q *Queue) Leave(ctx context.Context) error {
	_, err := q.engine.run(ctx, "leave", nil, []string{q.engine.keys.Stream(), q.engine.keys.Beat()}, []any{q.engine.opts.Group, q.consumer, 0})
	return err
}

// Sweep removes consumers that have nothing pending and did nothing for as long
// as idle, such as those of bridges that were killed. It returns their number.
func (q *Queue) Sweep(ctx context.Context, idle time.Duration) (int64, error) {
	answer, err := q.engine.run(ctx, "leave", nil, []string{q.engine.keys.Stream(), q.engine.keys.Beat()}, []any{q.engine.opts.Group, "", idle.Milliseconds()})
	if err != nil {
		return 0, err
	}
	return reply(answer).number(0), nil
}

// Backlog is the number of orders placed and not yet ended.
func (e *Engine) Backlog(ctx context.Context) (int64, error) {
	n, err := e.rdb.XLen(ctx, e.keys.Stream()).Result()
	if err != nil {
		return 0, fmt.Errorf("claim: backlog: %w", err)
	}
	return n, nil
}

// Beat says that this consumer is at work, for as long as ttl.
func (q *Queue) Beat(ctx context.Context, ttl time.Duration) error {
	if err := q.engine.rdb.Set(ctx, q.engine.keys.Beat(), q.consumer, ttl).Err(); err != nil {
		return fmt.Errorf("claim: beat: %w", err)
	}
	return nil
}

// Alive reports whether any consumer has said that it is at work.
func (e *Engine) Alive(ctx context.Context) (bool, error) {
	n, err := e.rdb.Exists(ctx, e.keys.Beat()).Result()
	if err != nil {
		return false, fmt.Errorf("claim: alive: %w", err)
	}
	return n == 1, nil
}

// Owns reports whether a pending delivery was this consumer's.
func (q *Queue) Owns(p Pending) bool { return p.Consumer == q.consumer }

// Peek reads the orders of pending entries without delivering them. An entry
// that is gone is left out.
func (q *Queue) Peek(ctx context.Context, ps []Pending) ([]Delivery, error) {
	if len(ps) == 0 {
		return nil, nil
	}
	pipe := q.engine.rdb.Pipeline()
	cmds := make([]*redis.XMessageSliceCmd, len(ps))
	for i, p := range ps {
		cmds[i] = pipe.XRange(ctx, q.engine.keys.Stream(), p.Entry, p.Entry)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("claim: peek: %w", err)
	}
	var ds []Delivery
	for i, cmd := range cmds {
		for _, m := range cmd.Val() {
			ds = append(ds, Delivery{Entry: m.ID, ID: field(m, "id"), Count: ps[i].Deliveries})
		}
	}
	return ds, nil
}
