package claim

import "time"

// Event is what a step did with one order, for metrics.
type Event struct {
	Partition string
	Step      Step
	ID        string
	// Outcome: for a claim or begin won, busy, already, refused or conflict; for a
	// settlement settled, rejected, already, lost, refused or failed; for what ends
	// otherwise released, freed, lost or dead.
	Outcome string
	// Took is how long the step took, as its caller saw it; that of a batch counts
	// for each order in it.
	Took time.Duration
	// LeaseUse is how much of its lease a claim had used up when it was settled:
	// 1 is all of it, and 0 is not known.
	LeaseUse float64
}

// Step names what was done.
type Step string

// The steps that are observed.
const (
	StepClaim   Step = "claim"   // Claim, Begin
	StepSettle  Step = "settle"  // Settle
	StepRelease Step = "release" // Release, Free, DeadLetter
)

func (e *Engine) observe(step Step, id, outcome string, since time.Time, leaseUse float64) {
	if e.opts.Observe != nil {
		e.opts.Observe(Event{Partition: e.keys.partition, Step: step, ID: id, Outcome: outcome, Took: time.Since(since), LeaseUse: leaseUse})
	}
}
