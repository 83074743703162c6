package claim

import (
	"context"
	"fmt"
	"time"
)

// Receipt is an effect that has an idempotency id of its own, such as goods in.
type Receipt struct {
	ID          string
	Fingerprint string // equal for equal content
	// Retention is how long the id is remembered; 0 is for ever. Once forgotten,
	// the same id is received again: there is no place step that could refuse it.
	Retention time.Duration
	Keys      []string
	Args      []any
}

// Received is what became of a Receipt.
type Received struct {
	// Verdict: received, replayed (the same was received before), conflict (the
	// id was used for other content) or failed (nothing is done).
	Verdict string
	Result  string // what the effect returned, at the first time
	Reason  string // of failed
}

// Receive applies an effect once for the receipt's id, in one atomic step.
func (e *Engine) Receive(ctx context.Context, effect *Effect, r Receipt) (Received, error) {
	if !ValidID(r.ID) {
		return Received{}, fmt.Errorf("claim: receive: %w: %.200q", ErrInvalidID, r.ID)
	}
	keys := append([]string{e.keys.Receipt(r.ID)}, r.Keys...)
	args := append([]any{r.ID, r.Fingerprint, int64(r.Retention.Seconds())}, r.Args...)
	answer, err := e.run(ctx, "receive", effect, keys, args)
	if err != nil {
		return Received{}, err
	}
	row := reply(answer)
	got := Received{Verdict: row.word()}
	if got.Verdict == "failed" {
		got.Reason = row.text(1)
	} else {
		got.Result = row.text(1)
	}
	return got, nil
}
