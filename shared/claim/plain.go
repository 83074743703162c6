package claim

import (
	"context"
	"fmt"
	"time"
)

// Begun is the answer to Begin. Which fields are set depends on Outcome.
type Begun struct {
	Outcome Outcome // Won, Busy, Already or Conflicts
	Fence   int64   // Won: the fencing token; Already: that of the claim that ended it
	State   State   // Already: how it ended
	Result  string  // Already: what was kept then
	Holder  string  // Busy: "<fence>:<owner>"; Already: the owner who ended it
	Left    time.Duration
	Kept    time.Duration // Already: how long the record is still kept

	held Held
}

// Held names the claim, if it was won.
func (b Begun) Held() Held { return b.held }

// Conflicts says that a key was used before for other content, or that it was
// placed: an order is raced for by Claim.
const Conflicts Outcome = "conflict"

// Begin races for the lock of a key that nobody has placed: the plain mode, for
// callers that have no place step. The fingerprint is equal for equal content.
// What was won has to be ended by Settle, or given back by Free.
//
// Without a place step nothing can tell a duplicate that comes after the record
// has expired from a new call: the retention has to be longer than that. While a
// key has not ended its record is kept for as long.
//
// The fence of such a claim is at least the time in µs: it grows even when the
// record has expired in between.
func (e *Engine) Begin(ctx context.Context, id, fingerprint, owner string, lease time.Duration) (Begun, error) {
	if !ValidID(id) {
		return Begun{}, fmt.Errorf("claim: begin: %w: %.200q", ErrInvalidID, id)
	}
	if lease < time.Millisecond {
		return Begun{}, argumentError(fmt.Sprintf("claim: begin: a lease of %v is under a millisecond", lease))
	}
	if fingerprint == "" {
		return Begun{}, argumentError("claim: begin: " + id + ": no fingerprint is given")
	}
	keys := []string{e.keys.Record(id), e.keys.Lock(id)}
	args := []any{fingerprint, owner, lease.Milliseconds(), int64(e.opts.Retention.Seconds())}
	start := time.Now()
	answer, err := e.run(ctx, "begin", nil, keys, args)
	if err != nil {
		return Begun{}, err
	}
	r := reply(answer)
	b := Begun{Outcome: Outcome(r.word())}
	switch b.Outcome {
	case Won:
		b.Fence = r.number(1)
		b.held = Held{ID: id, Fence: b.Fence, at: start, lease: lease}
	case Busy:
		b.Holder, b.Left = r.text(1), time.Duration(r.number(2))*time.Millisecond
	case Already:
		b.State, b.Fence, b.Holder, b.Result = State(r.text(1)), r.number(2), r.text(3), r.text(4)
		b.Kept = max(time.Duration(r.number(5)), 0) * time.Millisecond
	case Conflicts:
		b.State = State(r.text(1))
	}
	e.observe(StepClaim, id, r.word(), start, 0)
	return b, nil
}

// Free gives back a key that was begun and has not ended, so that the next call
// may begin it at once, with other content too. It reports false, and does
// nothing, unless the claim is the last one of that key.
func (e *Engine) Free(ctx context.Context, owner string, held Held, reason string) (bool, error) {
	if !ValidID(held.ID) {
		return false, fmt.Errorf("claim: free: %w: %.200q", ErrInvalidID, held.ID)
	}
	keys := []string{e.keys.Record(held.ID), e.keys.Lock(held.ID)}
	start := time.Now()
	answer, err := e.run(ctx, "free", nil, keys, []any{fmt.Sprintf("%d:%s", held.Fence, owner), bounded(reason)})
	if err != nil {
		return false, err
	}
	word := reply(answer).word()
	e.observe(StepRelease, held.ID, word, start, 0)
	return word == "freed", nil
}

// Respond is the effect that changes nothing: it ends a claim, and keeps the
// Result of its Settlement.
var Respond = NewEffect("respond", "return 'settled'")
