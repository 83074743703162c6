package fanout

import (
	"context"
	"time"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
)

// result is what came of one contender.
type result struct {
	answer delivery.Answer
	err    error
	at     time.Time
}

// heat is one race for a batch.
type heat struct {
	*lane
	deliveries []claim.Delivery
	asked      int
	results    chan result
	got        []result
}

// handOut starts the race for a batch and returns. release is called once for
// each of the Fanout contenders, when that one is done: a frozen one keeps a slot
// to itself, not the whole batch.
func (l *lane) handOut(ctx context.Context, ds []claim.Delivery, release func()) {
	l.mark(ds, true)
	l.flights.Go(func() {
		h := &heat{lane: l, deliveries: ds, results: make(chan result, l.settings.Fanout)}
		start := func() {
			lane := h.asked
			h.asked++
			go func() {
				answer, err := l.contenders.race(ctx, delivery.Batch{
					Warehouse: l.engine.Keys().Partition(), Contenders: l.settings.Fanout, Lane: lane, Deliveries: ds,
				})
				release()
				h.results <- result{answer, err, time.Now()}
			}()
		}
		if l.settings.FanoutMode == "hedge" && h.first(start) {
			for range l.settings.Fanout - h.asked {
				release()
			}
		} else {
			for h.asked < l.settings.Fanout {
				start()
			}
			h.collect()
		}
		l.judge(ctx, ds, h.got, h.asked-len(h.got))
		l.mark(ds, false)
		for range h.asked - len(h.got) { // they keep their slots, and a stop waits for them
			if r := <-h.results; r.err != nil {
				l.log.Warn("a contender that was not waited for failed", "error", r.err)
			}
		}
	})
}

// first asks one contender, and reports whether that one answered no later than
// most do: then no other is asked.
func (h *heat) first(start func()) bool {
	start()
	timer := time.NewTimer(h.contenders.patience())
	defer timer.Stop()
	select {
	case r := <-h.results:
		h.got = append(h.got, r)
		return r.err == nil
	case <-timer.C:
		return false
	}
}

// leaseMargin is waited after a lease should have ended, by this clock.
const leaseMargin = 20 * time.Millisecond

// collect waits for the contenders, until all have answered or nothing depends on
// those that have not: because all orders have ended, or because the leases that
// the others saw have, or because it takes too long. A contender that is frozen
// must not keep its orders from the next.
func (h *heat) collect() {
	timer := time.NewTimer(h.settings.RedeliverAt)
	defer timer.Stop()
	for len(h.got) < h.asked {
		select {
		case <-timer.C:
			return
		case r := <-h.results:
			h.got = append(h.got, r)
		}
		verdicts, _, _ := tally(h.deliveries, h.got)
		open, left := 0, time.Duration(0)
		for _, v := range verdicts {
			if !v.ended && !v.before {
				open++
				left = max(left, v.left())
			}
		}
		if open == 0 {
			return
		}
		if left > 0 {
			timer.Reset(left + leaseMargin)
		}
	}
}
