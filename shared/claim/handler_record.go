package claim

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// noResponse starts what is recorded in place of a response that cannot be given
// again. No JSON starts so.
const noResponse = "!"

// Pauses between tries to record an end.
const (
	firstPause = 50 * time.Millisecond
	longPause  = time.Second
)

// record ends a claim with the response of the handler, and with its effect.
func (g *guarded[In, Out]) record(ctx context.Context, who identity, c Claim, lease time.Duration, commit *commit, out Out) (Out, error) {
	result := g.response(ctx, c, out)
	effect, s := Respond, Settlement{Held: c.Held, Result: result}
	if commit != nil {
		effect, s.Keys, s.Args = commit.effect, commit.keys, commit.args
	}
	asked := wallClock()
	ended, err := g.settle(ctx, c, lease, effect, s)
	if err != nil {
		return g.refuse(ctx, &UnrecordedError{Claim: c, Err: err})
	}
	switch ended.Outcome {
	case Done:
		end := end{who.fingerprint, ended.State, ended.Result, c.Fence, c.Owner}
		g.cache.add(who.id, end, asked.Add(g.engine.opts.Retention.Truncate(time.Second)))
		if ended.State == Settled && ended.Result == result {
			return out, nil
		}
		if out, err = g.open(who, end); err != nil {
			return g.refuse(ctx, err)
		}
		return out, nil
	case Failed:
		g.free(ctx, c, lease, ended.Reason)
		return g.refuse(ctx, &EffectError{ID: c.ID, Reason: ended.Reason})
	case Already:
		return g.refuse(ctx, &LostError{Claim: c, By: fmt.Sprintf("%d:%s", ended.Fence, ended.Owner)})
	default: // lost, or the record itself is gone
		return g.refuse(ctx, &LostError{Claim: c})
	}
}

// settle tries to record an end for as long as Redis cannot be reached and the
// invocation lasts. It is safe to repeat: the first one counts.
func (g *guarded[In, Out]) settle(ctx context.Context, c Claim, lease time.Duration, effect *Effect, s Settlement) (Ended, error) {
	closing, cancel := closing(ctx, lease)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		ends, err := g.engine.Settle(closing, c.Owner, effect, []Settlement{s})
		if err == nil {
			return ends[0], nil
		}
		if !Unavailable(err) || closing.Err() != nil {
			return Ended{}, err
		}
		g.o.Log.WarnContext(ctx, "the work is done, but not recorded yet", "key", c.ID, "fence", c.Fence, "error", err)
		select {
		case <-closing.Done():
			return Ended{}, err
		case <-time.After(rand.N(pause) + time.Millisecond):
		}
	}
}

// response is what is recorded for a response: its JSON, or why there is none.
func (g *guarded[In, Out]) response(ctx context.Context, c Claim, out Out) string {
	text, err := json.Marshal(out)
	var flaw string
	switch {
	case err != nil:
		flaw = bounded(err.Error())
	case len(text) > g.o.MaxResponse:
		flaw = fmt.Sprintf("it has %d bytes, and up to %d are recorded", len(text), g.o.MaxResponse)
	default:
		return string(text)
	}
	g.o.Log.WarnContext(ctx, "the response is not recorded: later calls will be refused", "key", c.ID, "fence", c.Fence, "reason", flaw)
	return noResponse + flaw
}

// open reads the end of a key: the response, or the error that it ended with.
func (g *guarded[In, Out]) open(who identity, e end) (Out, error) {
	var out Out
	if e.state == Rejected {
		return out, &RejectedError{ID: who.id, Reason: e.result}
	}
	if flaw, ok := strings.CutPrefix(e.result, noResponse); ok {
		return out, &ResponseError{ID: who.id, Reason: flaw}
	}
	if err := decode([]byte(e.result), &out); err != nil {
		var none Out // it may be half filled
		return none, &ResponseError{ID: who.id, Reason: "what is recorded is not its JSON: " + bounded(err.Error())}
	}
	return out, nil
}
