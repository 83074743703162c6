package claim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Handler makes a Lambda handler idempotent: of all calls with the same key one
// does the work, and the others are given its response.
//
//   - A call with a key that has ended is given the recorded response again.
//   - While another works on the key it is refused with an *InProgressError.
//   - With other content under the key it is refused with a *ConflictError.
//   - An error or a panic of handle gives the key back at once; a crash or a
//     timeout does when the lease ends.
//   - Where the claim was lost before the end nothing is recorded, and the answer
//     is a *LostError.
//
// The function that it returns is what lambda.Start takes. An error means that
// an option cannot be used; it is meant to end the program at its start.
//
// What handle does to other systems can happen twice: see FromContext for the
// fence that tells late work from its successor's, and Commit for an effect that
// happens once.
func Handler[In, Out any](e *Engine, o HandlerOptions[In, Out], handle func(context.Context, In) (Out, error)) (func(context.Context, In) (Out, error), error) {
	if e == nil || handle == nil {
		return nil, errors.New("claim: handler: the engine or the function is nil")
	}
	o, scope, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("claim: handler: %w", err)
	}
	c, err := newCache(o.CacheSize)
	if err != nil {
		return nil, fmt.Errorf("claim: handler: %w", err)
	}
	g := &guarded[In, Out]{engine: e, o: o, scope: scope, handle: handle, cache: c}
	return g.invoke, nil
}

// guarded is a handler with its guard.
type guarded[In, Out any] struct {
	engine *Engine
	o      HandlerOptions[In, Out]
	scope  string // what the ids of this function start with
	handle func(context.Context, In) (Out, error)
	cache  *cache
}

func (g *guarded[In, Out]) invoke(ctx context.Context, in In) (Out, error) {
	// All that is taken from the input is taken now: the handler may change what
	// its input points to.
	who, err := g.identify(in)
	switch {
	case errors.Is(err, ErrNoKey) && g.o.WithoutKey == Unguarded:
		g.o.Log.WarnContext(ctx, "no idempotency key: running unguarded", "error", err)
		return g.handle(ctx, in)
	case err != nil:
		return g.refuse(ctx, err)
	}
	asked := wallClock()
	if end, ok := g.cache.get(who.id, asked); ok {
		return g.replay(ctx, who, end)
	}
	owner, lease := newOwner(ctx), g.lease(ctx)
	begun, err := g.engine.Begin(ctx, who.id, who.fingerprint, owner, lease)
	if err != nil {
		return g.withoutRedis(ctx, in, who, err)
	}
	switch begun.Outcome {
	case Won:
		return g.work(ctx, in, who, Claim{Key: who.key, Held: begun.Held(), Owner: owner}, lease)
	case Busy:
		return g.refuse(ctx, &InProgressError{ID: who.id, Holder: begun.Holder, Left: begun.Left})
	case Conflicts:
		return g.refuse(ctx, &ConflictError{ID: who.id})
	case Already:
		end := end{who.fingerprint, begun.State, begun.Result, begun.Fence, begun.Holder}
		g.cache.add(who.id, end, asked.Add(begun.Kept))
		return g.replay(ctx, who, end)
	default:
		return g.refuse(ctx, fmt.Errorf("claim: key %s: %w: begin: %q", who.id, errProtocol, begun.Outcome))
	}
}

func (g *guarded[In, Out]) withoutRedis(ctx context.Context, in In, who identity, err error) (Out, error) {
	if !Unavailable(err) {
		return g.refuse(ctx, fmt.Errorf("claim: key %s: %w", who.id, err))
	}
	_, taken := errors.AsType[*TooFewReplicasError](err) // the key is, by this very call
	if g.o.WithoutRedis != Unguarded || taken || ctx.Err() != nil {
		return g.refuse(ctx, &UnavailableError{ID: who.id, Err: err})
	}
	g.o.Log.WarnContext(ctx, "Redis is not available: running unguarded", "key", who.id, "error", err)
	return g.handle(ctx, in)
}

// work runs the handler under a claim.
func (g *guarded[In, Out]) work(ctx context.Context, in In, who identity, c Claim, lease time.Duration) (Out, error) {
	kept, stop := g.engine.Keep(ctx, c.Owner, lease, []Held{c.Held}, g.o.Log)
	defer stop()
	job := &job{claim: c, partition: g.engine.keys.partition}
	returned := false
	defer func() {
		if !returned { // the panic itself goes on to Lambda, with its stack
			g.free(ctx, c, lease, "the handler panicked")
		}
	}()
	out, err := g.handle(context.WithValue(kept, jobKey{}, job), in)
	returned = true
	effect := job.close()
	switch {
	case err != nil && errors.Is(context.Cause(kept), ErrLost):
		return g.refuse(ctx, &LostError{Claim: c, Err: err})
	case err != nil:
		g.free(ctx, c, lease, err.Error())
		return out, err // as it is: Lambda reports its type
	case g.o.Failed != nil && g.o.Failed(out):
		g.free(ctx, c, lease, "the response says that the work failed")
		return out, nil
	}
	return g.record(ctx, who, c, lease, effect, out)
}

// replay answers with the end that a key has come to.
func (g *guarded[In, Out]) replay(ctx context.Context, who identity, e end) (Out, error) {
	if e.fingerprint != who.fingerprint {
		return g.refuse(ctx, &ConflictError{ID: who.id})
	}
	out, err := g.open(who, e)
	if err != nil {
		return g.refuse(ctx, err)
	}
	if g.o.Replayed != nil {
		out = g.o.Replayed(out, Claim{Key: who.key, Held: Held{ID: who.id, Fence: e.fence}, Owner: e.owner})
	}
	return out, nil
}

// refuse answers with an error of the guard, or what the hook makes of it.
func (g *guarded[In, Out]) refuse(ctx context.Context, err error) (Out, error) {
	if g.o.OnError == nil {
		var none Out
		return none, err // Lambda reports it
	}
	level := slog.LevelWarn
	if _, ok := errors.AsType[*InProgressError](err); ok || errors.Is(err, ErrNoKey) {
		level = slog.LevelInfo
	}
	g.o.Log.Log(ctx, level, "call refused", "error", err)
	return g.o.OnError(ctx, err)
}

// lease is how long a claim is asked for. A context without a deadline says
// nothing about when the work ends: then the lease is that of the options.
func (g *guarded[In, Out]) lease(ctx context.Context) time.Duration {
	limit := g.o.Lease
	if limit == 0 {
		limit = DefaultLease
		if _, ok := ctx.Deadline(); ok {
			limit = longestInvocation
		}
	}
	return LeaseFor(ctx, limit)
}

// free gives a key back. Where that fails the end of the lease does it.
func (g *guarded[In, Out]) free(ctx context.Context, c Claim, lease time.Duration, reason string) {
	log := g.o.Log.With("key", c.ID, "fence", c.Fence, "reason", reason)
	closing, cancel := closing(ctx, lease)
	defer cancel()
	freed, err := g.engine.Free(closing, c.Owner, c.Held, reason)
	switch {
	case err != nil:
		log.WarnContext(ctx, "the handler failed; its key stays taken until the lease ends", "error", err)
	case !freed:
		log.WarnContext(ctx, "the handler failed; its key was another's by then")
	default:
		log.InfoContext(ctx, "the handler failed; its key is free again")
	}
}

// closing is the time in which a claim can still be ended: until shortly before
// the deadline, even where the context is cancelled, for the work is done.
func closing(ctx context.Context, lease time.Duration) (context.Context, context.CancelFunc) {
	left := lease
	if deadline, ok := ctx.Deadline(); ok {
		left = max(time.Until(deadline)-closingReserve, closingReserve)
	}
	return context.WithTimeout(context.WithoutCancel(ctx), left)
}

// closingReserve is left of an invocation for its answer.
const closingReserve = 100 * time.Millisecond

// discard is the logger where none is given.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
