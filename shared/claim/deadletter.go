package claim

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Burial is what DeadLetter did with an entry.
type Burial struct {
	// Verdict: buried, cleared (the order had ended), refused (there is no such
	// order), busy (a contender holds it), early (it has deliveries left) or gone
	// (the entry is not pending).
	Verdict string
	Reason  string
}

// DeadLetter takes a pending entry out of the stream that must not be delivered
// again. It buries the order only if Redis has delivered it as often as allowed
// and no contender holds it; reason is kept where no failure is on record.
func (e *Engine) DeadLetter(ctx context.Context, d Delivery, reason string) (Burial, error) {
	if !ValidID(d.ID) {
		return Burial{}, fmt.Errorf("claim: deadletter: %w: %.200q", ErrInvalidID, d.ID)
	}
	keys := []string{e.keys.Stream(), e.keys.Dead(), e.keys.Record(d.ID), e.keys.Lock(d.ID)}
	args := []any{e.opts.Group, d.ID, d.Entry, e.opts.MaxDeliveries, bounded(reason)}
	start := time.Now()
	answer, err := e.run(ctx, "deadletter", nil, keys, args)
	if err != nil {
		return Burial{}, err
	}
	r := reply(answer)
	if r.word() == string(Buried) {
		e.observe(StepRelease, d.ID, string(Dead), start, 0)
	}
	return Burial{Verdict: r.word(), Reason: r.text(1)}, nil
}

// Letter is a dead letter: an order that used up its deliveries, or never could
// be processed.
type Letter struct {
	Entry  string // its id in the stream of dead letters
	ID     string // the order
	Reason string
	At     time.Time
}

// Letters lists dead letters from the oldest on, at most max, after the entry
// given ("" for the start).
func (e *Engine) Letters(ctx context.Context, after string, limit int64) ([]Letter, error) {
	start, err := following(after)
	if err != nil {
		return nil, err
	}
	entries, err := e.rdb.XRangeN(ctx, e.keys.Dead(), start, "+", limit).Result()
	if err != nil {
		return nil, fmt.Errorf("claim: letters: %w", err)
	}
	letters := make([]Letter, len(entries))
	for i, m := range entries {
		letters[i] = Letter{Entry: m.ID, ID: field(m, "id"), Reason: field(m, "reason"), At: entryTime(m.ID)}
	}
	return letters, nil
}

// NotDeadError says that an order cannot be redriven or discarded.
type NotDeadError struct {
	ID    string
	State State // "" if there is no such order, or no such letter
}

func (e *NotDeadError) Error() string {
	if e.State == "" {
		return fmt.Sprintf("claim: there is no dead order %s", e.ID)
	}
	return fmt.Sprintf("claim: order %s is %s, not dead", e.ID, e.State)
}

// Redrive gives a dead order a new start, with all its deliveries. It returns a
// *NotDeadError if the order is not dead.
func (e *Engine) Redrive(ctx context.Context, id string) error {
	if !ValidID(id) {
		return fmt.Errorf("claim: redrive: %w: %.200q", ErrInvalidID, id)
	}
	keys := []string{e.keys.Stream(), e.keys.Dead(), e.keys.Record(id)}
	answer, err := e.run(ctx, "redrive", nil, keys, []any{id})
	if err != nil {
		return err
	}
	if reply(answer).word() != "redriven" {
		return &NotDeadError{ID: id, State: State(reply(answer).text(1))}
	}
	return nil
}

// Discard takes a dead letter off the list for good. The order stays dead until
// its record expires. It returns a *NotDeadError if the letter is gone.
func (e *Engine) Discard(ctx context.Context, l Letter) error {
	keys := []string{e.keys.Dead(), e.keys.Record(l.ID)}
	answer, err := e.run(ctx, "discard", nil, keys, []any{l.Entry, int64(e.opts.Retention.Seconds())})
	if err != nil {
		return err
	}
	if reply(answer).word() != "discarded" {
		return &NotDeadError{ID: l.ID, State: State(reply(answer).text(1))}
	}
	return nil
}

func field(m redis.XMessage, name string) string {
	s, _ := m.Values[name].(string)
	return s
}

// entryTime is the time in a stream id, which begins with it in ms.
func entryTime(entry string) time.Time {
	var ms int64
	if _, err := fmt.Sscanf(entry, "%d-", &ms); err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
