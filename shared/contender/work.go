package contender

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"photofinish/shared/claim"
)

// work does the caller's work on what was won, and keeps the claims alive for as
// long as it takes.
func (r *invocation) work(ctx context.Context, lease time.Duration, wins []claim.Claimed) ([]claim.Settlement, []claim.Failure, error) {
	if len(wins) == 0 {
		return nil, nil, nil
	}
	held := make([]claim.Held, len(wins))
	for i, c := range wins {
		held[i] = c.Held()
	}
	work, stop := r.engine.Keep(ctx, r.owner, lease, held, r.Log)
	defer stop()
	done := make([]claim.Settlement, len(wins))
	errs := make([]error, len(wins))
	var all sync.WaitGroup
	for i, c := range wins {
		all.Go(func() { done[i], errs[i] = r.one(work, c) })
	}
	all.Wait()
	cause := context.Cause(work)
	var settlements []claim.Settlement
	var failures []claim.Failure
	for i, err := range errs {
		if err != nil {
			failures = append(failures, claim.Failure{Held: held[i], Reason: err.Error()})
			continue
		}
		done[i].Held = held[i]
		settlements = append(settlements, done[i])
	}
	// That time has run out says nothing against the orders.
	if len(failures) > 0 && cause != nil && !errors.Is(cause, claim.ErrLost) {
		return nil, nil, fmt.Errorf("%w: %w", errInterrupted, cause)
	}
	return settlements, failures, nil
}

// one does the work on one order. A panic is a failure of that order, and must not
// take the others with it.
func (r *invocation) one(ctx context.Context, c claim.Claimed) (s claim.Settlement, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.Log.ErrorContext(ctx, "the work panicked", "order", c.ID, "contender", r.owner, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("the work panicked: %v", p)
		}
	}()
	return r.Work(ctx, c)
}
