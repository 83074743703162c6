package claim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"
)

// Outcome is what a contender can say of an order that it was handed.
type Outcome string

const (
	// Won says that the lock is the caller's, who has to settle or release.
	Won Outcome = "won"
	// Done says that the caller has ended the order; Ended.State says how.
	Done Outcome = "settled"
	// Already says that the order had ended before.
	Already Outcome = "already"
	// Busy says that another contender holds the lock.
	Busy Outcome = "busy"
	// Lost says that the caller's claim expired before it settled.
	Lost Outcome = "lost"
	// NoOrder says that there is no record of the order. It was never placed, or
	// its record has expired; either way it must not be processed.
	NoOrder Outcome = "refused"
	// Failed says that the work or the effect failed; nothing is done.
	Failed Outcome = "failed"
)

// Delivery is one hand-over of one order to the contenders.
type Delivery struct {
	Entry string `json:"entry"` // id of the stream's entry
	ID    string `json:"order"`
	Count int64  `json:"count"` // how often it was delivered, this time included
}

// Claimed is the answer to a claim. Which fields are set depends on Outcome.
type Claimed struct {
	Partition string
	ID        string
	Outcome   Outcome // Won, Busy, Already or NoOrder
	Fence     int64   // Won: the fencing token; Already: that of the claim that ended it
	Message   []byte  // Won: the message that was placed
	Trace     string  // Won: the trace context that was placed with it, if any
	State     State   // Already: how the order ended
	Holder    string  // Busy: "<fence>:<owner>"; Already: the owner who ended it
	Left      time.Duration

	at    time.Time
	lease time.Duration
}

// Claim races for the locks of a batch, in one round trip. The owner has to be
// unique to the caller and to this run of its work: a second call by the same
// owner counts as the first one repeated.
func (e *Engine) Claim(ctx context.Context, owner string, lease time.Duration, ds []Delivery) ([]Claimed, error) {
	if len(ds) == 0 {
		return nil, nil
	}
	if lease < time.Millisecond {
		return nil, argumentError(fmt.Sprintf("claim: a lease of %v is under a millisecond", lease))
	}
	keys := make([]string, 0, 2*len(ds))
	args := make([]any, 0, 2+2*len(ds))
	args = append(args, owner, lease.Milliseconds())
	for _, d := range ds {
		if !ValidID(d.ID) {
			return nil, fmt.Errorf("claim: %w: %.200q", ErrInvalidID, d.ID)
		}
		keys = append(keys, e.keys.Record(d.ID), e.keys.Lock(d.ID))
		args = append(args, d.ID, d.Count)
	}
	start := time.Now()
	replies, err := e.runBatch(ctx, "claim", nil, keys, args, len(ds))
	if err != nil {
		return nil, err
	}
	claimed := make([]Claimed, len(ds))
	for i, r := range replies {
		c := Claimed{Partition: e.keys.partition, ID: ds[i].ID, Outcome: Outcome(r.word()), at: start, lease: lease}
		switch c.Outcome {
		case Won:
			c.Fence, c.Message, c.Trace = r.number(1), []byte(r.text(2)), r.text(3)
		case Busy:
			c.Holder, c.Left = r.text(1), time.Duration(r.number(2))*time.Millisecond
		case Already:
			c.State, c.Fence, c.Holder = State(r.text(1)), r.number(2), r.text(3)
		}
		claimed[i] = c
		e.observe(StepClaim, c.ID, string(c.Outcome), start, 0)
	}
	return claimed, nil
}

// Held names a claim that was won.
type Held struct {
	ID    string
	Fence int64

	at    time.Time // when it was claimed, and for how long, if known
	lease time.Duration
}

// Held names the claim, if it was won.
func (c Claimed) Held() Held { return Held{ID: c.ID, Fence: c.Fence, at: c.at, lease: c.lease} }

// used is how much of the lease has been used up, 0 if that is not known.
func (h Held) used() float64 {
	if h.lease == 0 {
		return 0
	}
	return time.Since(h.at).Seconds() / h.lease.Seconds()
}

// Renew gives claims a new lease from now, and tells for each whether it was
// still the owner's. A claim that was lost stays lost.
func (e *Engine) Renew(ctx context.Context, owner string, lease time.Duration, held []Held) ([]bool, error) {
	if len(held) == 0 {
		return nil, nil
	}
	keys := make([]string, len(held))
	args := make([]any, 0, 2+len(held))
	args = append(args, owner, lease.Milliseconds())
	for i, h := range held {
		keys[i] = e.keys.Lock(h.ID)
		args = append(args, h.Fence)
	}
	rows, err := e.run(ctx, "renew", nil, keys, args)
	if err != nil {
		return nil, err
	}
	if len(rows) != len(held) {
		return nil, fmt.Errorf("%w: renew: %v", errProtocol, rows)
	}
	kept := make([]bool, len(held))
	for i := range rows {
		kept[i] = reply(rows).number(i) == 1
	}
	return kept, nil
}

// Settlement is a claim to be ended by its effect.
type Settlement struct {
	Held
	Keys []string // the effect's keys, all in the engine's partition
	Args []any    // the effect's arguments
	// Result is kept with the order where the effect returns none.
	Result string
}

// Ended is what became of a Settlement or a Failure.
type Ended struct {
	ID      string
	Outcome Outcome // Done, Already, Lost, NoOrder or Failed
	State   State   // Done and Already: how the order ended
	Result  string  // Done: what the effect returned
	Fence   int64   // Already: the fence of the claim that ended it
	Owner   string  // Already: its owner
	Reason  string  // Failed: what the effect raised, or what is wrong with its input
}

// Settle ends a batch of claims, in one round trip and one atomic step for each
// order: it applies the effect, writes the done mark, drops the lock and
// acknowledges the delivery, only while the claim is the owner's and the order
// has not ended. Repeated after a lost answer it gives the same answer.
func (e *Engine) Settle(ctx context.Context, owner string, effect *Effect, ss []Settlement) ([]Ended, error) {
	if len(ss) == 0 {
		return nil, nil
	}
	keys := []string{e.keys.Stream()}
	args := []any{e.opts.Group, owner, int64(e.opts.Retention.Seconds())}
	start := time.Now()
	ended := make([]Ended, len(ss))
	var sent []int // those that can be
	for i, s := range ss {
		ended[i].ID = s.ID
		input, err := effect.input(e.keys.partition, s.Keys, s.Args)
		if err != nil {
			ended[i].Outcome, ended[i].Reason = Failed, err.Error()
			continue
		}
		sent = append(sent, i)
		keys = append(keys, e.keys.Record(s.ID), e.keys.Lock(s.ID))
		keys = append(keys, s.Keys...)
		args = append(args, s.ID, s.Fence, s.Result, len(s.Keys), len(s.Args))
		args = append(args, input...)
	}
	if len(sent) > 0 {
		replies, err := e.runBatch(ctx, "settle", effect, keys, args, len(sent))
		if err != nil && !compileError(err) {
			return nil, err
		}
		for j, i := range sent {
			if err != nil {
				ended[i].Outcome, ended[i].Reason = Failed, e.reason("settle", effect, err.Error())
				continue
			}
			ended[i].read(replies[j])
			if ended[i].Outcome == Failed {
				ended[i].Reason = e.reason("settle", effect, ended[i].Reason)
			}
		}
	}
	for i, s := range ss {
		d := ended[i]
		outcome := string(d.Outcome)
		if d.Outcome == Done {
			outcome = string(d.State)
		}
		e.observe(StepSettle, d.ID, outcome, start, s.used())
	}
	return ended, nil
}

// read takes in what the script answered.
func (d *Ended) read(r reply) {
	d.Outcome = Outcome(r.word())
	switch word := State(r.word()); word {
	case Settled, Rejected:
		d.Outcome, d.State, d.Result = Done, word, r.text(1)
	case State(Already):
		d.State, d.Fence, d.Owner = State(r.text(1)), r.number(2), r.text(3)
	case State(Failed):
		d.Reason = r.text(1)
	}
}

// compileError reports whether Redis could not make sense of a script: the effect
// is at fault, whatever it is given.
func compileError(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && strings.Contains(reply.Error(), "Error compiling script")
}

// Failure is a claim to be given up.
type Failure struct {
	Held
	Reason string // kept with the order; the last one goes with its dead letter
}

// Release gives up a batch of claims whose work failed. Each stays pending and
// will be delivered again, unless that was its last delivery: then it becomes a
// dead letter in the same step. The result tells for each which of these, or
// that the claim was lost.
func (e *Engine) Release(ctx context.Context, owner string, fs []Failure) ([]Released, error) {
	if len(fs) == 0 {
		return nil, nil
	}
	keys := []string{e.keys.Stream(), e.keys.Dead()}
	args := []any{e.opts.Group, owner, e.opts.MaxDeliveries}
	for _, f := range fs {
		keys = append(keys, e.keys.Record(f.ID), e.keys.Lock(f.ID))
		args = append(args, f.ID, f.Fence, bounded(f.Reason))
	}
	start := time.Now()
	replies, err := e.runBatch(ctx, "release", nil, keys, args, len(fs))
	if err != nil {
		return nil, err
	}
	released := make([]Released, len(fs))
	for i, r := range replies {
		released[i] = Released{ID: fs[i].ID, Lost: r.word() == string(Lost), Buried: r.word() == string(Buried), Deliveries: r.number(1)}
		outcome := r.word()
		if released[i].Buried {
			outcome = string(Dead)
		}
		e.observe(StepRelease, fs[i].ID, outcome, start, 0)
	}
	return released, nil
}

// Released is what became of a Failure.
type Released struct {
	ID         string
	Lost       bool  // the claim was not the owner's any more; nothing was done
	Buried     bool  // the order is a dead letter now
	Deliveries int64 // how often Redis has delivered it
}

// MaxReason is how much of a reason is kept, in bytes.
const MaxReason = 500

// bounded cuts a reason off, but not within a character.
func bounded(reason string) string {
	if len(reason) <= MaxReason {
		return reason
	}
	cut := reason[:MaxReason]
	for range utf8.UTFMax - 1 {
		if r, size := utf8.DecodeLastRuneInString(cut); r != utf8.RuneError || size != 1 {
			break
		}
		cut = cut[:len(cut)-1]
	}
	return cut
}
