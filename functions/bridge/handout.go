package main

import (
	"context"
	"errors"
	"time"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
)

// handOut starts the race for a batch and returns. release is called once for
// each of the Fanout contenders, when that one is done: a frozen one keeps a slot
// to itself, not the whole batch.
func (l *lane) handOut(ctx context.Context, ds []claim.Delivery, release func()) {
	l.mark(ds, true)
	l.flights.Go(func() {
		results := make(chan result, l.settings.Fanout)
		start := func(lane int) {
			go func() {
				answer, err := l.contenders.race(ctx, delivery.Batch{
					Warehouse: l.engine.Keys().Partition(), Contenders: l.settings.Fanout, Lane: lane, Deliveries: ds,
				})
				release()
				results <- result{answer, err}
			}()
		}
		var got []result
		if l.settings.FanoutMode == "hedge" {
			got = l.hedge(start, results, release)
		} else {
			for lane := range l.settings.Fanout {
				start(lane)
			}
			for range l.settings.Fanout {
				got = append(got, <-results)
			}
		}
		l.judge(ctx, ds, got)
		l.mark(ds, false)
	})
}

// result is what came of one contender.
type result struct {
	answer delivery.Answer
	err    error
}

// hedge asks one contender, and the others only if that one takes longer than
// most do, or fails.
func (l *lane) hedge(start func(lane int), results chan result, release func()) []result {
	start(0)
	timer := time.NewTimer(l.contenders.patience())
	defer timer.Stop()
	var got []result
	select {
	case r := <-results:
		got = append(got, r)
		if r.err == nil {
			for range l.settings.Fanout - 1 {
				release()
			}
			return got
		}
	case <-timer.C:
	}
	for lane := 1; lane < l.settings.Fanout; lane++ {
		start(lane)
	}
	for len(got) < l.settings.Fanout {
		got = append(got, <-results)
	}
	return got
}

// verdict is what all contenders together say of one order.
type verdict struct {
	ended   bool          // somebody ended it just now
	before  bool          // it had ended, or there is no such order
	tried   bool          // somebody had it in hand, or may have had
	left    time.Duration // of the lease of somebody else who holds it
	problem string
}

// judge takes in what the contenders said. None of it acknowledges anything: an
// order that has not ended stays pending, and here it is only decided when to
// deliver it again.
func (l *lane) judge(ctx context.Context, ds []claim.Delivery, results []result) {
	verdicts := make(map[string]*verdict, len(ds))
	for _, d := range ds {
		verdicts[d.Entry] = &verdict{}
	}
	answered := 0
	var problem string
	for _, r := range results {
		switch {
		case errors.Is(r.err, errNotDelivered):
			problem = r.err.Error()
		case r.err != nil: // it crashed or timed out: any order may have been in its hands
			problem = r.err.Error()
			for _, v := range verdicts {
				v.tried, v.problem = true, problem
			}
		default:
			answered++
			for _, out := range r.answer.Outcomes {
				if v := verdicts[out.Entry]; v != nil {
					v.add(out)
				}
			}
		}
	}
	if problem != "" {
		l.log.Warn("contenders failed", "orders", len(ds), "answered", answered, "error", problem)
	}
	l.count(answered)
	var back, strays []claim.Delivery
	for _, d := range ds {
		v := verdicts[d.Entry]
		switch {
		case v.ended:
			l.forget(d.Entry)
		case v.before:
			strays = append(strays, d)
		case !v.tried:
			back = append(back, d)
			l.postpone(d.Entry, v.left)
		default:
			l.suspect(d.Entry, v.problem)
			l.postpone(d.Entry, v.left)
		}
	}
	// A delivery in which nobody could do anything is not held against the order.
	if err := l.queue.HandBack(ctx, back); err != nil && !claim.NoGroup(err) {
		l.log.Warn("deliveries not handed back", "orders", len(back), "error", err)
	}
	for _, d := range strays {
		l.clear(ctx, d)
	}
}

func (v *verdict) add(out delivery.Outcome) {
	switch out.Outcome {
	case claim.Done:
		v.ended = true
	case claim.Already:
		v.before = true
	case claim.NoOrder:
		v.before = true
	case claim.Busy:
		v.left = max(v.left, time.Duration(out.LeftMS)*time.Millisecond)
	default: // failed or lost
		v.tried, v.problem = true, string(out.Outcome)+": "+out.Reason
		v.ended = v.ended || out.Status == claim.Dead
	}
}

// clear takes an entry out of the stream whose order had ended, if it is still
// there, and one that has no order.
func (l *lane) clear(ctx context.Context, d claim.Delivery) {
	burial, err := l.engine.DeadLetter(ctx, d, "")
	switch {
	case err != nil:
		l.log.Warn("entry not cleared", "order", d.ID, "entry", d.Entry, "error", err)
		return
	case burial.Verdict == "refused":
		l.log.Warn("entry without an order", "order", d.ID, "entry", d.Entry, "reason", burial.Reason)
	}
	l.forget(d.Entry)
}

func (l *lane) mark(ds []claim.Delivery, flying bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range ds {
		if flying {
			l.inFlight[d.Entry] = true
		} else {
			delete(l.inFlight, d.Entry)
		}
	}
}

// count counts deliveries in a row that no contender answered.
func (l *lane) count(answered int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if answered > 0 {
		l.failures = 0
	} else {
		l.failures++
	}
}

// maxNotes bounds what a lane remembers of entries. It can do without, and starts
// anew when that is reached: most of it is then of orders that others have ended.
const maxNotes = 100_000

func (l *lane) postpone(entry string, left time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if left <= 0 {
		return
	}
	if len(l.after) >= maxNotes {
		clear(l.after)
	}
	l.after[entry] = time.Now().Add(left)
}

func (l *lane) suspect(entry, problem string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.suspects) >= maxNotes {
		clear(l.suspects)
	}
	l.suspects[entry] = problem
}

func (l *lane) forget(entry string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.after, entry)
	delete(l.suspects, entry)
}
