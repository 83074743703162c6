package claim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// leaseMargin is added to a lease that ends with the Lambda's deadline, so that
// the lock outlives the work that it covers by a little.
const leaseMargin = 200 * time.Millisecond

// LeaseFor is the lease to ask for: what is left until the context's deadline
// and a margin, at most limit. An environment is killed at its deadline, so a
// longer lock would only keep others waiting.
func LeaseFor(ctx context.Context, limit time.Duration) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return limit
	}
	return min(max(time.Until(deadline), 0)+leaseMargin, limit)
}

// ErrLost is the cause with which the context of Keep ends when a claim is lost.
var ErrLost = errors.New("claim: the claim was lost: its lease ended and the order may be another's")

// Keep renews claims while work goes on, each third of the lease, and gives a
// context for that work which ends, with ErrLost as its cause, once one of them
// is lost. Call stop when the work is done; it waits for the renewals to end.
func (e *Engine) Keep(ctx context.Context, owner string, lease time.Duration, held []Held, log *slog.Logger) (work context.Context, stop func()) {
	work, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(max(lease/3, time.Millisecond))
		defer ticker.Stop()
		for {
			select {
			case <-work.Done():
				return
			case <-ticker.C:
			}
			// The lease follows the deadline: it must not outlive the environment.
			kept, err := e.Renew(work, owner, LeaseFor(ctx, lease), held)
			if err != nil && work.Err() == nil {
				log.WarnContext(ctx, "lease not renewed", "error", err)
				continue // the next try may do; settle checks the claim in any case
			}
			for i, ok := range kept {
				if !ok {
					cancel(fmt.Errorf("%w: order %s, fence %d", ErrLost, held[i].ID, held[i].Fence))
					return
				}
			}
		}
	}()
	return work, func() {
		cancel(nil)
		<-done
	}
}
