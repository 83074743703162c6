package simulate

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"photofinish/shared/claim"
)

// state is what the specification knows of one order: a lock with a lease, a fence
// that only grows, and an end that is final. It is what the engine is to behave
// like; nothing of how it does that is in it.
//
// When exactly a call has run nobody can see from outside, so the end of a lease
// lies between two times.
type state struct {
	is     claim.State // "" is not placed
	print  string
	fence  int
	owner  string
	locked bool
	lo, hi time.Duration // the lease ends between these
}

// tolerance is for Redis' clock, which moves on by a microsecond with every
// command, and for leases in whole milliseconds.
const tolerance = 2 * time.Millisecond

func (s state) mayHold(c *Call) bool   { return s.locked && c.from < s.hi }
func (s state) mayBeFree(c *Call) bool { return !s.locked || c.to >= s.lo }

// leased is the state with a lock whose lease begins with the call.
func (s state) leased(c *Call) state {
	s.locked, s.lo, s.hi = true, c.from+c.Lease-tolerance, foreverAt
	if c.to < math.MaxInt64-c.Lease-tolerance {
		s.hi = c.to + c.Lease + tolerance
	}
	return s
}

func (s state) free() state {
	s.locked, s.lo, s.hi = false, 0, 0
	return s
}

func (s state) ends(as claim.State) state {
	s.is = as
	return s.free()
}

func (s state) claimedBy(c *Call) bool {
	return s.owner == c.Owner && fmt.Sprint(s.fence) == c.Fence
}

// next are the states that a call may leave behind, given its answer if that is
// known.
func (s state) next(c *Call) (after []any) {
	may := func(then state, answer ...string) {
		if !c.known || len(c.answer) >= len(answer) && slices.Equal(c.answer[:len(answer)], answer) {
			after = append(after, then)
		}
	}
	holder := fmt.Sprintf("%d:%s", s.fence, s.owner)
	last := "" // fence of the last claim
	if s.fence > 0 {
		last = fmt.Sprint(s.fence)
	}
	switch c.Step {
	case "place":
		switch {
		case s.is == "":
			may(state{is: claim.Accepted, print: c.Print}, "placed", c.Order)
		case s.print == c.Print:
			may(s, "replayed", c.Order, string(s.is))
		case !c.known || c.word(0) == "conflict" || c.word(1) != c.Order:
			after = append(after, s) // refused, or kept under another id
		}
	case "claim":
		switch {
		case s.is == "":
			may(s, "refused")
		case s.is != claim.Accepted:
			may(s, "already", string(s.is), last, s.owner)
		default:
			if s.mayHold(c) && s.owner == c.Owner {
				may(s.leased(c), "won", last)
			}
			if s.mayHold(c) && s.owner != c.Owner {
				may(s, "busy", holder)
			}
			if s.mayBeFree(c) {
				won := s.leased(c)
				won.fence, won.owner = s.fence+1, c.Owner
				may(won, "won", fmt.Sprint(won.fence))
			}
		}
	case "renew":
		if s.claimedBy(c) && s.mayHold(c) {
			may(s.leased(c), "1")
		}
		if !s.claimedBy(c) || s.mayBeFree(c) {
			may(s, "0")
		}
	case "settle":
		switch {
		case s.is == "":
			may(s, "refused")
		case (s.is == claim.Settled || s.is == claim.Rejected) && s.claimedBy(c):
			may(s, string(s.is))
		case s.is != claim.Accepted:
			may(s, "already", string(s.is), last, s.owner)
		default:
			if s.claimedBy(c) && s.mayHold(c) {
				may(s.ends(claim.Settled), "settled")
				may(s.ends(claim.Rejected), "rejected")
				may(s, "failed")
			}
			if !s.claimedBy(c) || s.mayBeFree(c) {
				may(s, "lost")
			}
		}
	case "release":
		if s.is == claim.Accepted && s.claimedBy(c) && s.mayHold(c) {
			may(s.free(), "released")
			may(s.ends(claim.Dead), "buried")
		}
		if s.is != claim.Accepted || !s.claimedBy(c) || s.mayBeFree(c) {
			may(s, "lost")
		}
	case "deadletter":
		may(s, "gone")
		may(s, "early")
		may(s, "cleared")
		switch s.is {
		case "":
			may(s, "refused")
		case claim.Accepted:
			if s.mayHold(c) {
				may(s, "busy")
			}
			if s.mayBeFree(c) {
				may(s.ends(claim.Dead), "buried")
			}
		}
	}
	return after
}

var spec = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{state{}} },
	Step: func(s, input, _ any) []any { return s.(state).next(input.(*Call)) },
}).ToModel()

// Linearizable reports the orders whose calls cannot have happened one after the
// other as the specification says, each with its calls.
func Linearizable(calls []*Call) (problems []string) {
	of := map[string][]*Call{}
	for _, c := range calls {
		of[c.Order] = append(of[c.Order], c)
	}
	for _, id := range slices.Sorted(maps.Keys(of)) {
		history := make([]porcupine.Operation, len(of[id]))
		for i, c := range of[id] {
			history[i] = porcupine.Operation{ClientId: i, Input: c, Call: int64(c.call), Return: int64(c.ret)}
		}
		if !porcupine.CheckOperations(spec, history) {
			lines := []string{"the calls about " + id + " are not those of a lock with a lease:"}
			for _, c := range of[id] {
				lines = append(lines, "  "+c.String())
			}
			problems = append(problems, strings.Join(lines, "\n"))
		}
	}
	return problems
}
