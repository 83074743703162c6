// Package delivery is what the bridge hands to a contender, and what the
// contender answers.
package delivery

import "photofinish/shared/claim"

// Batch is the event of the inventory function: some orders of one warehouse,
// handed to several contenders at once.
type Batch struct {
	Warehouse string `json:"warehouse"`
	// Contenders is how many were handed this batch, Lane which of them this is,
	// from 0. Each starts with another part of the batch, so that the race
	// spreads the work.
	Contenders int              `json:"contenders"`
	Lane       int              `json:"lane"`
	Deliveries []claim.Delivery `json:"deliveries"`
}

// MaxBatch is how many orders a batch has at most.
const MaxBatch = 1000

// Outcome is what a contender says of one order.
type Outcome struct {
	Order   string        `json:"order"`
	Entry   string        `json:"entry"`
	Outcome claim.Outcome `json:"outcome"`
	Status  claim.State   `json:"status,omitempty"` // of an order that has ended
	Fence   int64         `json:"fence,omitempty"`
	Owner   string        `json:"owner,omitempty"`  // who has ended it; of busy, "<fence>:<owner>" of who holds it
	LeftMS  int64         `json:"leftMs,omitempty"` // of the holder's lease
	Reason  string        `json:"reason,omitempty"`
}

// Answer is what a contender says of a batch. It acknowledges nothing: only the
// step that ends an order does that.
type Answer struct {
	Contender string    `json:"contender"`
	Outcomes  []Outcome `json:"outcomes"`
	// BatchItemFailures names the entries whose orders have not ended, in the
	// form of Lambda's batch responses.
	BatchItemFailures []ItemFailure `json:"batchItemFailures"`
}

// ItemFailure names one entry.
type ItemFailure struct {
	ItemIdentifier string `json:"itemIdentifier"`
}

// UnavailableError is the type of the error that a contender answers with where
// it could not reach Redis: it says nothing against the orders.
type UnavailableError struct{ Err error }

func (e *UnavailableError) Error() string { return "redis is not available: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// UnavailableType is the errorType that Lambda reports for an UnavailableError.
const UnavailableType = "UnavailableError"
