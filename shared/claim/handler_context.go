package claim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Claim is what a running handler holds.
type Claim struct {
	Key   string // as it was in the event
	Held         // its id in Redis, and the fence
	Owner string // unique to this invocation
}

type jobKey struct{}

// job is what the context of a handler carries.
type job struct {
	claim     Claim
	partition string

	mu     sync.Mutex
	closed bool
	commit *commit
}

// commit is an effect that goes with the end.
type commit struct {
	effect *Effect
	keys   []string
	args   []any
}

// FromContext gives the claim under which a handler runs. It reports false where
// there is none: outside of Handler, and where it runs unguarded.
//
// The fence grows with every claim of a key. A system that refuses a write with
// a fence lower than the last one that it saw is safe from work that was frozen
// and wakes up after its successor.
func FromContext(ctx context.Context) (Claim, bool) {
	j, ok := ctx.Value(jobKey{}).(*job)
	if !ok {
		return Claim{}, false
	}
	return j.claim, true
}

// ErrNoClaim is returned by Commit where there is no claim, or not any more.
var ErrNoClaim = errors.New("claim: commit: the handler runs without a claim")

// Commit has the effect applied in the very step that records the end of the
// handler: both happen, once, or none. Call it inside a handler, once; it
// happens after the handler has returned without an error.
//
// The keys have to be in the engine's partition, {partition}…; the arguments are
// strings, bytes, numbers or truth values, and are copied. What the effect returns
// beside 'settled' is the response, as JSON, in place of the handler's; beside
// 'rejected' it is the reason of a *RejectedError, which is recorded as well.
// An effect that raises an error frees the key and makes an *EffectError.
func Commit(ctx context.Context, effect *Effect, keys []string, args ...any) error {
	j, ok := ctx.Value(jobKey{}).(*job)
	if !ok {
		return ErrNoClaim
	}
	if effect == nil {
		return fmt.Errorf("claim: commit: key %s: the effect is nil", j.claim.ID)
	}
	texts, err := effect.input(j.partition, keys, args)
	if err != nil {
		return fmt.Errorf("claim: commit: key %s: %w", j.claim.ID, err)
	}
	c := &commit{effect: effect, keys: slices.Clone(keys), args: texts}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed:
		return fmt.Errorf("%w: key %s: the handler has returned", ErrNoClaim, j.claim.ID)
	case j.commit != nil:
		return fmt.Errorf("claim: commit: key %s: there is an effect already, %s", j.claim.ID, j.commit.effect.name)
	}
	j.commit = c
	return nil
}

// close takes no more effects, and gives the one there is.
func (j *job) close() *commit {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	return j.commit
}
