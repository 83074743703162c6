package main

import (
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"photofinish/shared/claim"
)

func showCommand() *cobra.Command {
	i := &inspector{}
	return i.command(&cobra.Command{
		Use:   "show ID",
		Short: "Show the record of an order or of a plain key",
		Long: `show prints all that Redis holds of an id, as JSON. What GET /orders/{id} says
too has the same name: status, race (winner, fence, contenders, deliveries),
placedAt, endedAt, reason. Beside it there is the lock, while anybody holds it, the
message that was placed, what the effect returned (result), and the trace context.

A key that a handler has begun, and nobody has placed, is in mode plain: it has
its attempts, its last claim, and the response that was recorded.`,
		Example: `  localdev claims show 29
  localdev claims show pay:7f3a --partition payments | jq .response`,
		Args: cobra.ExactArgs(1),
	}, func(args []string) error {
		one, err := i.look(args[0])
		if err != nil {
			return err
		}
		enc := json.NewEncoder(i.cmd.OutOrStdout())
		enc.SetEscapeHTML(false)
		if !i.asJSON {
			enc.SetIndent("", "  ")
		}
		return enc.Encode(present(one, i.partition))
	})
}

// shownRecord is a record as the commands print it.
type shownRecord struct {
	ID        string      `json:"id"`
	Partition string      `json:"partition"`
	Mode      string      `json:"mode"` // placed or plain
	Status    claim.State `json:"status"`
	PlacedAt  *time.Time  `json:"placedAt,omitempty"`
	BegunAt   *time.Time  `json:"begunAt,omitempty"` // of a plain key, at first
	EndedAt   *time.Time  `json:"endedAt,omitempty"`
	ExpiresAt *time.Time  `json:"expiresAt,omitempty"` // then the record is forgotten

	Race     *shownRace  `json:"race,omitempty"`
	Claim    *shownClaim `json:"claim,omitempty"` // the last one of a plain key
	Attempts int64       `json:"attempts,omitempty"`
	Lock     *shownLock  `json:"lock,omitempty"`

	Message     any    `json:"message,omitempty"`
	Result      any    `json:"result,omitempty"`
	Response    any    `json:"response,omitempty"` // of a plain key
	Reason      string `json:"reason,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Trace       string `json:"trace,omitempty"`
	Entry       string `json:"entry,omitempty"`  // in the stream
	Letter      string `json:"letter,omitempty"` // in the stream of dead letters
}

type shownRace struct {
	Winner     string `json:"winner"`
	Fence      int64  `json:"fence"`
	Contenders int64  `json:"contenders"`
	Deliveries int64  `json:"deliveries"`
}

type shownClaim struct {
	Owner string `json:"owner"`
	Fence int64  `json:"fence"`
}

type shownLock struct {
	Owner  string `json:"owner"`
	Fence  int64  `json:"fence"`
	LeftMs int64  `json:"leftMs"` // negative: the lock has no end
}

func present(one claim.Inspection, partition string) shownRecord {
	s := shownRecord{
		ID: one.ID, Partition: partition, Mode: "placed", Status: one.State, EndedAt: known(one.EndedAt), Reason: one.Reason,
		Fingerprint: one.Fingerprint, Trace: one.Trace, Entry: one.Entry, Letter: one.Letter,
	}
	if one.Expires > 0 {
		s.ExpiresAt = known(one.At.Add(one.Expires))
	}
	if l := one.Lock; l != nil {
		s.Lock = &shownLock{Owner: l.Owner, Fence: l.Fence, LeftMs: l.Left.Milliseconds()}
		if l.Left < 0 {
			s.Lock.LeftMs = -1
		}
	}
	if one.Plain {
		s.Mode, s.BegunAt, s.Attempts = "plain", known(one.PlacedAt), one.Deliveries
		if one.Fence > 0 {
			s.Claim = &shownClaim{Owner: one.Owner, Fence: one.Fence}
		}
		if one.State == claim.Rejected && s.Reason == "" {
			s.Reason = one.Result
		} else {
			s.Response = jsonOrText(one.Result)
		}
		return s
	}
	s.PlacedAt, s.Message, s.Result = known(one.PlacedAt), jsonOrText(string(one.Message)), jsonOrText(one.Result)
	if one.Fence > 0 {
		s.Race = &shownRace{Winner: one.Owner, Fence: one.Fence, Contenders: one.Racers, Deliveries: one.Deliveries}
	}
	return s
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// jsonOrText is a value that is printed as the JSON it is, or as a string; nil if
// it is empty.
func jsonOrText(text string) any {
	switch {
	case text == "":
		return nil
	case json.Valid([]byte(text)):
		return json.RawMessage(text)
	default:
		return text
	}
}
