// Package contender is one instance that races for orders: it claims them, works
// on those that it has won, and settles them.
package contender

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
	"photofinish/shared/order"
	"photofinish/shared/stock"
)

// Contender is one instance that races for orders. An execution environment has
// one invocation at a time, so it needs no lock of its own.
type Contender struct {
	log     *slog.Logger
	name    string // of the execution environment
	runs    int64  // invocations so far
	lockTTL time.Duration
	work    time.Duration // how long the work on a part of a batch takes at least
	open    func(warehouse string) (*claim.Engine, error)
}

// New makes a contender with a name that no other has: that of the settings, or
// one that is left to chance.
func New(rdb redis.UniversalClient, s Settings, log *slog.Logger) *Contender {
	name := s.Name
	if name == "" {
		name = instance(s.LogStream)
	}
	return &Contender{
		log:     log,
		name:    name,
		lockTTL: s.LockTTL,
		work:    s.ProcessingTime,
		open: func(warehouse string) (*claim.Engine, error) {
			if !order.ValidWarehouse(warehouse) {
				return nil, fmt.Errorf("warehouse %.40q is not 1 to %d letters, digits or -", warehouse, order.MaxWarehouse)
			}
			return claim.Open(rdb, warehouse, claim.Options{Retention: s.Retention, MaxDeliveries: s.MaxDeliveries})
		},
	}
}

// instance is a name for this process that no other has. It begins with the end
// of the log stream's name, so that a winner's log can be found; the stream alone
// is not enough, since it stays when the process is replaced after a crash.
func instance(logStream string) string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails
	const end = 6
	return logStream[max(0, len(logStream)-end):] + hex.EncodeToString(b)
}

// lastWords is the time kept back from the deadline to answer in. Killed instead,
// a contender that cannot reach Redis would look like one that an order ended.
const lastWords = 500 * time.Millisecond

// errInterrupted says that the work took longer than the invocation may.
var errInterrupted = errors.New("inventory: the work was interrupted")

// Handle races for the orders of a batch, part by part, from the part on that is
// its own: others start elsewhere, so that each has something to win.
func (c *Contender) Handle(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
	if len(b.Deliveries) == 0 || len(b.Deliveries) > delivery.MaxBatch {
		return delivery.Answer{}, fmt.Errorf("the batch has %d deliveries, 1 to %d are allowed", len(b.Deliveries), delivery.MaxBatch)
	}
	engine, err := c.open(b.Warehouse)
	if err != nil {
		return delivery.Answer{}, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-lastWords))
		defer cancel()
	}
	// The owner is new for every invocation: a second claim by the same owner
	// would count as the first one repeated.
	c.runs++
	r := &invocation{Contender: c, engine: engine, owner: c.name + "." + strconv.FormatInt(c.runs, 10), warehouse: b.Warehouse}
	r.answer.Contender = r.owner
	r.answer.BatchItemFailures = []delivery.ItemFailure{} // null would mean that the whole batch failed
	for _, part := range parts(b) {
		if err := r.part(ctx, part); err != nil {
			if claim.Unavailable(err) && !errors.Is(err, errInterrupted) {
				err = &delivery.UnavailableError{Err: err}
			}
			c.log.ErrorContext(ctx, "batch given up", "contender", r.owner, "warehouse", b.Warehouse, "error", err)
			return delivery.Answer{}, err
		}
	}
	return r.answer, nil
}

// parts cuts a batch into one part for each contender, this one's own first.
func parts(b delivery.Batch) [][]claim.Delivery {
	n := max(1, min(b.Contenders, len(b.Deliveries)))
	size := (len(b.Deliveries) + n - 1) / n
	var cut [][]claim.Delivery
	for from := 0; from < len(b.Deliveries); from += size {
		cut = append(cut, b.Deliveries[from:min(from+size, len(b.Deliveries))])
	}
	first := max(0, b.Lane) % len(cut)
	return append(cut[first:len(cut):len(cut)], cut[:first]...)
}

// invocation is the work on one batch.
type invocation struct {
	*Contender
	engine    *claim.Engine
	owner     string
	warehouse string
	answer    delivery.Answer
}

// won is a claim with the items that it is about.
type won struct {
	delivery claim.Delivery
	held     claim.Held
	items    []order.Item
}

// part claims, works on and settles one part of the batch.
func (r *invocation) part(ctx context.Context, ds []claim.Delivery) error {
	lease := claim.LeaseFor(ctx, r.lockTTL)
	claims, err := r.engine.Claim(ctx, r.owner, lease, ds)
	if err != nil {
		return err
	}
	var wins []won
	var failures []claim.Failure
	of := map[string]claim.Delivery{}
	for i, c := range claims {
		if c.Outcome != claim.Won {
			r.report(ctx, lost(ds[i], c))
			continue
		}
		if _, twice := of[c.ID]; twice { // this entry is not the one that is settled
			r.report(ctx, lost(ds[i], claim.Claimed{Outcome: claim.Busy, Holder: fmt.Sprintf("%d:%s", c.Fence, r.owner)}))
			continue
		}
		of[c.ID] = ds[i]
		held := claim.Held{ID: c.ID, Fence: c.Fence}
		items, err := order.Items(c.Message)
		if err != nil {
			failures = append(failures, claim.Failure{Held: held, Reason: err.Error()})
			continue
		}
		wins = append(wins, won{ds[i], held, items})
	}
	settlements, err := r.compute(ctx, lease, wins)
	if err != nil {
		return err
	}
	ends, err := r.engine.Settle(ctx, r.owner, stock.Take, settlements)
	if err != nil {
		return err
	}
	for i, end := range ends {
		if end.Outcome == claim.Failed {
			failures = append(failures, claim.Failure{Held: settlements[i].Held, Reason: end.Reason})
			continue
		}
		r.report(ctx, finished(of[end.ID], r.owner, settlements[i].Fence, end))
	}
	return r.release(ctx, failures, of)
}

// compute is the work of the winner. What has to be done in Redis is the effect,
// so little is left; the claims are kept alive for as long as it takes.
func (r *invocation) compute(ctx context.Context, lease time.Duration, wins []won) ([]claim.Settlement, error) {
	if len(wins) == 0 {
		return nil, nil
	}
	if r.work > 0 {
		held := make([]claim.Held, len(wins))
		for i, w := range wins {
			held[i] = w.held
		}
		work, stop := r.engine.Keep(ctx, r.owner, lease, held, r.log)
		timer := time.NewTimer(r.work)
		select {
		case <-work.Done():
		case <-timer.C:
		}
		timer.Stop()
		err := context.Cause(work)
		stop()
		if err != nil && !errors.Is(err, claim.ErrLost) { // settle tells which are lost
			return nil, fmt.Errorf("%w: %w", errInterrupted, err)
		}
	}
	settlements := make([]claim.Settlement, len(wins))
	for i, w := range wins {
		settlements[i] = stock.Settlement(r.warehouse, w.held, w.items)
	}
	return settlements, nil
}

// release gives up what failed, so that the next delivery need not wait for the
// lease to end.
func (r *invocation) release(ctx context.Context, failures []claim.Failure, of map[string]claim.Delivery) error {
	released, err := r.engine.Release(ctx, r.owner, failures)
	if err != nil {
		return err
	}
	for i, rel := range released {
		d := of[rel.ID]
		out := delivery.Outcome{Order: rel.ID, Entry: d.Entry, Outcome: claim.Failed, Fence: failures[i].Fence, Reason: failures[i].Reason}
		switch {
		case rel.Lost:
			out.Outcome = claim.Lost
		case rel.Buried:
			out.Status = claim.Dead
		}
		r.report(ctx, out)
	}
	return nil
}

// lost is the outcome of a claim that was not won.
func lost(d claim.Delivery, c claim.Claimed) delivery.Outcome {
	out := delivery.Outcome{Order: d.ID, Entry: d.Entry, Outcome: c.Outcome, Status: c.State, Fence: c.Fence, Owner: c.Holder, LeftMS: c.Left.Milliseconds()}
	switch c.Outcome {
	case claim.Busy:
		out.Reason = "held by " + c.Holder
	case claim.Already:
		out.Reason = "ended as " + string(c.State) + " before"
	case claim.NoOrder:
		out.Reason = "there is no record of this order"
	}
	return out
}

// finished is the outcome of a settlement that did not fail.
func finished(d claim.Delivery, owner string, fence int64, end claim.Ended) delivery.Outcome {
	out := delivery.Outcome{Order: d.ID, Entry: d.Entry, Outcome: end.Outcome, Status: end.State, Fence: fence, Owner: owner}
	switch end.Outcome {
	case claim.Already:
		out.Fence, out.Owner, out.Reason = end.Fence, end.Owner, "ended as "+string(end.State)+" before"
	case claim.Lost:
		out.Reason = "the lease ended before the work was settled"
	}
	if end.State == claim.Rejected {
		out.Reason = "too little on hand: " + end.Result
	}
	return out
}

// report adds an outcome to the answer, and logs who won, who skipped and why:
// one line for each order and contender.
func (r *invocation) report(ctx context.Context, out delivery.Outcome) {
	r.answer.Outcomes = append(r.answer.Outcomes, out)
	switch {
	case out.Outcome == claim.Done, out.Outcome == claim.Already, out.Status == claim.Dead:
	default:
		r.answer.BatchItemFailures = append(r.answer.BatchItemFailures, delivery.ItemFailure{ItemIdentifier: out.Entry})
	}
	level, message := slog.LevelInfo, "skipped"
	switch out.Outcome {
	case claim.Done:
		message = "won"
	case claim.Failed, claim.Lost, claim.NoOrder:
		level, message = slog.LevelWarn, string(out.Outcome)
	}
	attrs := []slog.Attr{
		slog.String("order", out.Order), slog.String("outcome", string(out.Outcome)),
		slog.String("contender", r.owner), slog.String("warehouse", r.warehouse),
	}
	if out.Status != "" {
		attrs = append(attrs, slog.String("status", string(out.Status)))
	}
	if out.Fence != 0 {
		attrs = append(attrs, slog.Int64("fence", out.Fence))
	}
	if out.Reason != "" {
		attrs = append(attrs, slog.String("reason", out.Reason))
	}
	r.log.LogAttrs(ctx, level, message, attrs...)
}
