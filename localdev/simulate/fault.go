package simulate

import "time"

// Fault is one way in which a step can go wrong.
type Fault string

// The faults. Each is about the step that it befalls, and crash and freeze about
// the whole process as well that the step is of.
const (
	none         Fault = ""
	requestLost  Fault = "request lost"  // never comes; the caller learns that the connection broke
	replyLost    Fault = "reply lost"    // it has run; the caller learns that the connection broke
	silence      Fault = "silence"       // it has run; the caller waits in vain
	delay        Fault = "delay"         // it comes late, perhaps after its caller has given up
	slowReply    Fault = "slow reply"    // it has run; the reply comes late
	freezeBefore Fault = "freeze before" // the process stands still, then goes on as if nothing had been
	freezeAfter  Fault = "freeze after"
	crashBefore  Fault = "crash before" // the process never goes on
	crashAfter   Fault = "crash after"
	twice        Fault = "twice"    // an invocation reaches two environments
	throttled    Fault = "throttle" // or none
)

var allFaults = []Fault{requestLost, replyLost, silence, delay, slowReply, freezeBefore, freezeAfter, crashBefore, crashAfter, twice, throttled}

// possible reports whether a fault can befall a step.
func (f Fault) possible(o *op) bool {
	switch o.kind {
	case request:
		switch f {
		case twice, throttled:
			return false
		case crashBefore, crashAfter:
			return o.actor.role != client // one that never asks again cannot be told from one that was not there
		}
		return true
	case invoke:
		return f == delay || f == twice || f == throttled || f == requestLost || f == crashAfter || f == freezeAfter
	case answer:
		return f == delay || f == crashBefore || f == freezeBefore || f == silence
	case push:
		return f == delay
	}
	return false
}

// fault throws the dice for a step.
func (w *world) fault(o *op) Fault {
	if w.steps >= w.plan.FaultyFor || w.plan.FaultRate == 0 || len(w.plan.Faults) == 0 || w.dice.IntN(1000) >= w.plan.FaultRate {
		return none
	}
	f := w.plan.Faults[w.dice.IntN(len(w.plan.Faults))]
	if !f.possible(o) {
		return none
	}
	return f
}

// aWhile is for how long something is late: about as long as a lease, a timeout of
// the client or one of the bridge, so that all orders of these are seen.
func (w *world) aWhile() time.Duration {
	base := []time.Duration{w.plan.Lease / 4, w.plan.Lease, w.plan.ReadTimeout, w.plan.InvokeTimeout, w.plan.Redeliver}[w.dice.IntN(5)]
	return base/2 + time.Duration(w.dice.Int64N(int64(base)+1)) + time.Millisecond
}
