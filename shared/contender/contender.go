// Package contender is a Lambda handler that races for the orders which a bridge
// hands to several of its kind at once: it claims them, has the caller's work done
// on those that it has won, and settles them with the caller's effect.
//
//	c, err := contender.New(contender.Options{Open: open, Effect: effect, Work: work, Log: log})
//	lambda.Start(c.Handle)
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

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
)

// Options say what a contender does.
type Options struct {
	// Open opens the engine of a partition.
	Open func(partition string) (*claim.Engine, error)
	// Effect is what settles an order, with the keys and arguments that Work gives.
	Effect *claim.Effect
	// Work does what there is to do for an order that was won, and returns what the
	// effect needs. An error, or a panic, is a failure of that order alone: it is
	// delivered again, until it has used up its deliveries. The context ends when
	// the claim is lost, or shortly before the invocation does.
	//
	// It is called for all orders of a part of the batch at once.
	Work func(ctx context.Context, won claim.Claimed) (claim.Settlement, error)
	// Lease is the longest lease, DefaultLease if 0. It never reaches past the end of the
	// invocation by much, and is renewed while the work goes on.
	Lease time.Duration
	// Name is that of the execution environment, and no other may ever have had it.
	// See Instance. Empty for a random one.
	Name string
	Log  *slog.Logger
}

// DefaultLease is the longest lease where Options say nothing.
const DefaultLease = 5 * time.Second

// Contender is one instance that races for orders. An execution environment has
// one invocation at a time, so it needs no lock of its own.
type Contender struct {
	Options
	runs int64 // invocations so far
}

// New makes a contender.
func New(o Options) (*Contender, error) {
	switch {
	case o.Open == nil || o.Effect == nil || o.Work == nil:
		return nil, errors.New("contender: Open, Effect and Work are needed")
	case o.Lease < 0 || o.Lease > 0 && o.Lease < 100*time.Millisecond:
		return nil, fmt.Errorf("contender: Lease: %v is under 100ms, too short to renew", o.Lease)
	}
	if o.Lease == 0 {
		o.Lease = DefaultLease
	}
	if o.Name == "" {
		o.Name = Instance("")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Contender{Options: o}, nil
}

// Instance makes a name that no other process has. It begins with the end of the
// log stream's name, so that a winner's log can be found; the stream alone is not
// enough, since it stays when the process is replaced after a crash.
func Instance(logStream string) string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails
	const end = 6
	return logStream[max(0, len(logStream)-end):] + hex.EncodeToString(b)
}

// lastWords is the time kept back from the deadline to answer in. Killed instead,
// a contender that cannot reach Redis would look like one that an order ended.
const lastWords = 500 * time.Millisecond

// errInterrupted says that the work took longer than the invocation may.
var errInterrupted = errors.New("contender: the work was interrupted")

// Handle races for the orders of a batch, part by part, from the part on that is
// its own: others start elsewhere, so that each has something to win.
func (c *Contender) Handle(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
	if len(b.Deliveries) == 0 || len(b.Deliveries) > delivery.MaxBatch {
		return delivery.Answer{}, fmt.Errorf("the batch has %d deliveries, 1 to %d are allowed", len(b.Deliveries), delivery.MaxBatch)
	}
	engine, err := c.Open(b.Warehouse)
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
	r := &invocation{Contender: c, engine: engine, owner: c.Name + "." + strconv.FormatInt(c.runs, 10), warehouse: b.Warehouse, traces: map[string]string{}}
	r.answer.Contender = r.owner
	r.answer.BatchItemFailures = []delivery.ItemFailure{} // null would mean that the whole batch failed
	for _, part := range parts(b) {
		if err := r.part(ctx, part); err != nil {
			if claim.Unavailable(err) && !errors.Is(err, errInterrupted) {
				err = &delivery.UnavailableError{Err: err}
			}
			c.Log.ErrorContext(ctx, "batch given up", "contender", r.owner, "warehouse", b.Warehouse, "error", err)
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
	traces    map[string]string // trace contexts of what was won, by order
}

// part claims, works on and settles one part of the batch.
func (r *invocation) part(ctx context.Context, ds []claim.Delivery) error {
	lease := claim.LeaseFor(ctx, r.Lease)
	claims, err := r.engine.Claim(ctx, r.owner, lease, ds)
	if err != nil {
		return err
	}
	var wins []claim.Claimed
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
		of[c.ID], r.traces[c.ID] = ds[i], c.Trace
		wins = append(wins, c)
	}
	settlements, failures, err := r.work(ctx, lease, wins)
	if err != nil {
		return err
	}
	ends, err := r.engine.Settle(ctx, r.owner, r.Effect, settlements)
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
