package claim

import (
	"context"
	"fmt"
)

// State is where an order stands.
type State string

// The states of an order. Settled and rejected are final; a dead order can be
// redriven.
const (
	Accepted State = "accepted"
	Settled  State = "settled"
	Rejected State = "rejected"
	Dead     State = "dead"
)

// OnConflict says what Place does with an order whose id was used for other
// content.
type OnConflict string

const (
	// Refuse answers with Conflict and keeps nothing.
	Refuse OnConflict = "refuse"
	// Separate places the order under the variant of its id.
	Separate OnConflict = "separate"
	// Bury keeps it as a dead letter under the variant of its id.
	Bury OnConflict = "bury"
)

// Placement is an order to be placed.
type Placement struct {
	ID          string
	Fingerprint string // equal for equal content
	Message     []byte // what a contender is given; opaque to the engine
	// Trace is a trace context, such as a traceparent of W3C or a header of X-Ray,
	// that goes with the message until the order has ended. May be empty.
	Trace string
	// Announcement is published on Channel when the order is placed; no channel,
	// nothing is published.
	Channel      string
	Announcement []byte
	OnConflict   OnConflict // the zero value is Refuse
	// Variant is the id used for content that came under an id already taken.
	// Not needed with Refuse.
	Variant string
	// Flaw, if set, is the reason to bury the order at once under Variant.
	Flaw string
}

// Placing is what became of a Placement.
type Placing struct {
	Verdict  Verdict
	ID       string // the id it is kept under: its own, or the variant
	State    State  // where that order stands
	PlacedAt int64  // Unix time in ms
}

// Verdict is what Place answers.
type Verdict string

// The verdicts of Place.
const (
	Placed   Verdict = "placed"   // it is on record and in the stream now
	Replayed Verdict = "replayed" // the same was placed before
	Conflict Verdict = "conflict" // the id was used for other content
	Buried   Verdict = "buried"   // it is a dead letter now
)

// Place puts an order on record and into the stream, once for its id. A call
// whose answer was lost can be repeated.
func (e *Engine) Place(ctx context.Context, p Placement) (Placing, error) {
	placed, err := e.PlaceAll(ctx, []Placement{p})
	if err != nil {
		return Placing{}, err
	}
	return placed[0], nil
}

// PlaceAll places many orders in one round trip. Each is placed or not on its
// own; after an error the whole call can be repeated.
func (e *Engine) PlaceAll(ctx context.Context, ps []Placement) ([]Placing, error) {
	if len(ps) == 0 {
		return nil, nil
	}
	for _, p := range ps {
		if !ValidID(p.ID) || p.Variant != "" && !ValidID(p.Variant) {
			return nil, fmt.Errorf("claim: place: %w: %.200q", ErrInvalidID, p.ID)
		}
		if p.Variant == "" && (p.Flaw != "" || p.OnConflict != "" && p.OnConflict != Refuse) {
			return nil, argumentError("claim: place: " + p.ID + ": no variant of the id is given")
		}
	}
	calls := make([]scriptCall, len(ps))
	for i, p := range ps {
		calls[i] = e.placeCall(p)
	}
	cmds, err := e.exec(ctx, calls...)
	if err != nil {
		return nil, fmt.Errorf("claim: place: %w", err)
	}
	placed := make([]Placing, len(ps))
	for i, cmd := range cmds {
		answer, err := cmd.Slice()
		if err != nil {
			return nil, fmt.Errorf("claim: place: %w", err)
		}
		r := reply(answer)
		placed[i] = Placing{Verdict: Verdict(r.word()), ID: r.text(1), State: State(r.text(2)), PlacedAt: r.number(3)}
	}
	return placed, nil
}

func (e *Engine) placeCall(p Placement) scriptCall {
	onConflict := p.OnConflict
	if onConflict == "" {
		onConflict = Refuse
	}
	variant := p.Variant
	if variant == "" {
		variant = p.ID
	}
	keys := []string{e.keys.Stream(), e.keys.Dead(), e.keys.Record(p.ID), e.keys.Record(variant)}
	args := []any{p.ID, p.Fingerprint, p.Message, p.Channel, p.Announcement, string(onConflict), variant, p.Flaw, bounded(p.Trace)}
	return scriptCall{e.scripts.get("place", nil), keys, args}
}
