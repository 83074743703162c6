package fanout

import (
	"context"
	"fmt"
	"time"

	"photofinish/shared/claim"
)

const (
	sweepEvery = 250 * time.Millisecond
	sweepPage  = 1000
)

// redeliverLoop delivers again what is pending and due.
func (l *lane) redeliverLoop(soft, hard context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-soft.Done():
			return
		case <-ticker.C:
		}
		if n := l.unanswered(); n > 0 && l.settings.pause(soft, n) != nil {
			return
		}
		if err := l.sweep(soft, hard); err != nil && soft.Err() == nil && !claim.NoGroup(err) {
			l.log.Warn("pending orders not read", "error", err)
			if l.settings.pause(soft, 4) != nil {
				return
			}
		}
	}
}

// sweep goes through all that is pending, page by page.
func (l *lane) sweep(soft, hard context.Context) error {
	for after := ""; soft.Err() == nil; {
		page, err := l.queue.Pending(soft, l.settings.BackoffBase/2, after, sweepPage)
		if err != nil {
			return err
		}
		var batch, alone, spent []claim.Pending
		for _, p := range page {
			after = p.Entry
			idle, suspect, ok := l.due(p)
			switch p.Idle, ok = idle, ok && p.Idle >= idle; {
			case !ok:
			case p.Deliveries >= int64(l.settings.MaxDeliveries):
				spent = append(spent, p)
			case p.Deliveries <= 1 && !suspect:
				batch = append(batch, p)
			default:
				// It may be what ended a contender: it must not take others with it.
				alone = append(alone, p)
			}
		}
		on, err := l.bury(hard, spent)
		if err != nil {
			return err
		}
		alone = append(alone, on...)
		for len(batch) > 0 {
			n := min(len(batch), l.settings.BatchMax)
			if err := l.redeliver(soft, hard, batch[:n]); err != nil {
				return err
			}
			batch = batch[n:]
		}
		for i := range alone {
			if err := l.redeliver(soft, hard, alone[i:i+1]); err != nil {
				return err
			}
		}
		if len(page) < sweepPage {
			return nil
		}
	}
	return nil
}

// due tells how long an entry has to have been idle before it is delivered
// again, and whether its last delivery failed as far as this bridge knows. It
// reports false for one that is not to be touched now.
func (l *lane) due(p claim.Pending) (idle time.Duration, suspect, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inFlight[p.Entry] {
		return 0, false, false
	}
	if until, held := l.after[p.Entry]; held {
		if time.Now().Before(until) {
			return 0, false, false
		}
		delete(l.after, p.Entry)
	}
	_, suspect = l.suspects[p.Entry]
	idle = jittered(p.Entry, p.Deliveries, backoff(l.settings.BackoffBase, l.settings.BackoffMax, int(p.Deliveries)-1))
	if !l.queue.Owns(p) {
		// Another bridge may still be waiting for its contenders. To deliver once
		// more does no harm; the last try is not to be cut off.
		wait := l.settings.RedeliverAt
		if p.Deliveries >= int64(l.settings.MaxDeliveries) {
			wait = max(wait, l.settings.InvokeTimeout)
		}
		idle += wait
	}
	return idle, suspect, true
}

// redeliver takes entries over and hands them out as one batch.
func (l *lane) redeliver(soft, hard context.Context, ps []claim.Pending) error {
	if err := l.again.Acquire(soft, 1); err != nil {
		return err
	}
	ds, err := l.queue.Take(hard, ps)
	if err != nil || len(ds) == 0 {
		l.again.Release(1)
		return err
	}
	l.log.Info("delivering again", "orders", len(ds), "first", ds[0].ID, "deliveries", ds[0].Count)
	left := l.settings.Fanout
	l.handOut(hard, ds, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if left--; left == 0 {
			l.again.Release(1)
		}
	})
	return nil
}

// bury makes dead letters of orders that have used up their deliveries, and
// returns those that are to be delivered on. One that is at fault must not keep
// the others waiting.
func (l *lane) bury(ctx context.Context, ps []claim.Pending) (on []claim.Pending, err error) {
	ds, err := l.queue.Peek(ctx, ps)
	if err != nil {
		return nil, err
	}
	of := make(map[string]claim.Delivery, len(ds))
	for _, d := range ds {
		of[d.Entry] = d
	}
	for _, p := range ps {
		d, there := of[p.Entry]
		if !there || l.untried(ctx, d) { // to take what is not there lets go of it
			on = append(on, p)
			continue
		}
		burial, err := l.engine.DeadLetter(ctx, d, l.lastWords(d))
		switch {
		case claim.Unavailable(err):
			return on, err
		case err != nil:
			l.log.Error("order not buried", "order", d.ID, "entry", d.Entry, "error", err)
			l.postpone(d.Entry, time.Minute)
		case burial.Verdict == "busy":
			l.postpone(d.Entry, time.Second)
		default:
			l.forget(d.Entry)
			if burial.Verdict == "buried" || burial.Verdict == "refused" {
				l.log.Warn("dead letter", "order", d.ID, "deliveries", d.Count, "reason", burial.Reason)
			}
		}
	}
	return on, nil
}

// untried reports whether no contender claimed the order when it was delivered
// last: whatever went wrong then, as with a function that does not start, says
// nothing against the order.
func (l *lane) untried(ctx context.Context, d claim.Delivery) bool {
	r, ok, err := l.engine.Lookup(ctx, d.ID)
	return err == nil && ok && r.State == claim.Accepted && r.Deliveries < d.Count
}

// lastWords is the reason for a dead letter where no contender has given one.
func (l *lane) lastWords(d claim.Delivery) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if problem := l.suspects[d.Entry]; problem != "" {
		return problem
	}
	return fmt.Sprintf("delivered %d times, and no contender lived to say what is wrong", d.Count)
}
