package claim

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Record is what Redis keeps of an order.
type Record struct {
	ID          string
	State       State
	Fingerprint string
	Message     []byte
	Trace       string // trace context, until it has ended
	PlacedAt    time.Time
	EndedAt     time.Time // zero unless settled or rejected
	Entry       string    // its entry in the stream, while accepted
	Fence       int64     // fencing token of the last claim; 0: never claimed
	Owner       string    // owner of the last claim
	Deliveries  int64     // how often it had been delivered at the last claim
	Racers      int64     // how many claims were tried, won or not
	Result      string    // what the effect returned
	Reason      string    // of the last failure, or of the dead letter
	Letter      string    // id of its dead letter, while dead
}

// Lookup reads the record of an order. It reports false if there is none.
func (e *Engine) Lookup(ctx context.Context, id string) (Record, bool, error) {
	if !ValidID(id) {
		return Record{}, false, fmt.Errorf("claim: lookup: %w: %.200q", ErrInvalidID, id)
	}
	fields, err := e.rdb.HGetAll(ctx, e.keys.Record(id)).Result()
	if err != nil {
		return Record{}, false, fmt.Errorf("claim: lookup: %w", err)
	}
	return ParseRecord(id, fields), len(fields) > 0, nil
}

// ParseRecord reads the fields of a record's hash.
func ParseRecord(id string, fields map[string]string) Record {
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(fields[name], 10, 64)
		return n
	}
	r := Record{
		ID:          id,
		State:       State(fields["state"]),
		Fingerprint: fields["fp"],
		Message:     []byte(fields["msg"]),
		Trace:       fields["trace"],
		Entry:       fields["entry"],
		Deliveries:  number("tries"),
		Racers:      number("racers"),
		Result:      fields["result"],
		Reason:      fields["err"],
		Letter:      fields["dead"],
	}
	if at := number("at"); at != 0 {
		r.PlacedAt = time.UnixMilli(at).UTC()
	}
	if _, ended := fields["took"]; ended {
		r.EndedAt = r.PlacedAt.Add(time.Duration(number("took")) * time.Millisecond)
	}
	r.Fence, r.Owner = parseHolder(fields["claim"])
	return r
}

// parseHolder reads "<fence>:<owner>", the value of a lock.
func parseHolder(s string) (fence int64, owner string) {
	text, owner, _ := strings.Cut(s, ":")
	fence, _ = strconv.ParseInt(text, 10, 64)
	return fence, owner
}
