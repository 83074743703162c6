package fanout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
)

// verdict is what all contenders together say of one order.
type verdict struct {
	ended    bool // somebody ended it just now
	before   bool // it had ended, or there is no such order
	tried    bool // somebody had it in hand, or may have had
	problem  string
	held     map[string]time.Time // who was seen to hold it, and when that lease ends
	released []string             // who has given it up
}

// judge takes in what the contenders said. None of it acknowledges anything: an
// order that has not ended stays pending, and here it is only decided when to
// deliver it again.
//
// missing is how many contenders have not answered: any order that has not ended
// may be in their hands.
func (l *lane) judge(ctx context.Context, ds []claim.Delivery, results []result, missing int) {
	verdicts, answered, problem := tally(ds, results)
	if missing > 0 {
		for _, v := range verdicts {
			v.tried = true
			if v.problem == "" {
				v.problem = "a contender gave no answer"
			}
		}
	}
	if problem != "" {
		l.log.Warn("contenders failed", "orders", len(ds), "answered", answered, "error", problem)
	}
	l.count(answered + missing)
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
			l.postpone(d.Entry, v.left())
		default:
			l.suspect(d.Entry, v.problem)
			l.postpone(d.Entry, v.left())
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

// tally puts together what contenders said of each order, how many answered, and
// what the last of the others said instead.
func tally(ds []claim.Delivery, results []result) (verdicts map[string]*verdict, answered int, problem string) {
	verdicts = make(map[string]*verdict, len(ds))
	for _, d := range ds {
		verdicts[d.Entry] = &verdict{}
	}
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
					v.add(r, out)
				}
			}
		}
	}
	return verdicts, answered, problem
}

func (v *verdict) add(r result, out delivery.Outcome) {
	switch out.Outcome {
	case claim.Done:
		v.ended = true
	case claim.Already:
		v.before = true
	case claim.NoOrder:
		v.before = true
	case claim.Busy:
		if v.held == nil {
			v.held = map[string]time.Time{}
		}
		v.held[out.Owner] = r.at.Add(time.Duration(out.LeftMS) * time.Millisecond)
	case claim.Failed:
		v.released = append(v.released, fmt.Sprintf("%d:%s", out.Fence, r.answer.Contender))
		fallthrough
	default: // lost
		v.tried, v.problem = true, string(out.Outcome)+": "+out.Reason
		v.ended = v.ended || out.Status == claim.Dead
	}
}

// left is what is left of the lease of whoever still holds the order. One that
// failed was seen to hold it by the others, but has released it.
func (v *verdict) left() time.Duration {
	var longest time.Duration
	for holder, end := range v.held {
		if !slices.Contains(v.released, holder) {
			longest = max(longest, time.Until(end))
		}
	}
	return longest
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
