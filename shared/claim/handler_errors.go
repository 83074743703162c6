package claim

import (
	"errors"
	"fmt"
	"time"
)

// ErrNoKey says that an event has no key.
var ErrNoKey = errors.New("claim: there is no idempotency key")

// errRefused is what the errors of a handler wrap that have nothing to do with
// whether Redis is available.
var errRefused error = argumentError("claim: the call was refused")

// KeyError says that the key, or the content that goes with it, could not be
// taken from an event. It wraps ErrNoKey where the key is missing.
type KeyError struct {
	ID     string // of the key, where that was found and the content was not
	Source string // where it was looked for, such as: the header Idempotency-Key
	Err    error
}

func (e *KeyError) Error() string {
	if e.ID != "" {
		return fmt.Sprintf("claim: key %s: %s: %v", e.ID, e.Source, e.Err)
	}
	return fmt.Sprintf("claim: %s: %v", e.Source, e.Err)
}

// Unwrap gives the reason.
func (e *KeyError) Unwrap() []error { return []error{e.Err, errRefused} }

// InProgressError says that another call is at work on the same key.
type InProgressError struct {
	ID     string
	Holder string        // "<fence>:<owner>"
	Left   time.Duration // until its lease ends, if it is not renewed
}

func (e *InProgressError) Error() string {
	return fmt.Sprintf("claim: key %s: %s is at work on it, for up to %v", e.ID, e.Holder, e.Left)
}

// Unwrap tells it from an error of Redis.
func (e *InProgressError) Unwrap() error { return errRefused }

// ConflictError says that the key was used before for other content.
type ConflictError struct{ ID string }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("claim: key %s: it was used before for other content", e.ID)
}

// Unwrap tells it from an error of Redis.
func (e *ConflictError) Unwrap() error { return errRefused }

// LostError says that the lease ended before the handler did, so that nothing of
// it was recorded. The key is free, or another's, or was ended by another; what
// the handler did to other systems has happened. It wraps ErrLost.
type LostError struct {
	Claim Claim
	By    string // "<fence>:<owner>" of who ended the key meanwhile, if anybody
	Err   error  // what the handler returned, if it failed
}

func (e *LostError) Error() string {
	text := fmt.Sprintf("claim: key %s: the claim with fence %d was lost", e.Claim.ID, e.Claim.Fence)
	if e.By != "" {
		text += ", and " + e.By + " has ended it"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives ErrLost, and what the handler returned.
func (e *LostError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrLost, errRefused}
	}
	return []error{ErrLost, errRefused, e.Err}
}

// RejectedError says that the effect of Commit has rejected the work. That is an
// end: later calls get the same.
type RejectedError struct {
	ID     string
	Reason string // what the effect returned beside 'rejected'
}

func (e *RejectedError) Error() string {
	return fmt.Sprintf("claim: key %s: rejected: %s", e.ID, e.Reason)
}

// Unwrap tells it from an error of Redis.
func (e *RejectedError) Unwrap() error { return errRefused }

// EffectError says that the effect of Commit has raised an error. Nothing is
// recorded, and the key is free.
type EffectError struct {
	ID     string
	Reason string
}

func (e *EffectError) Error() string { return fmt.Sprintf("claim: key %s: %s", e.ID, e.Reason) }

// Unwrap tells it from an error of Redis.
func (e *EffectError) Unwrap() error { return errRefused }

// ResponseError says that the key has ended, and that its response cannot be
// given again. The work is not done a second time.
type ResponseError struct {
	ID     string
	Reason string
}

func (e *ResponseError) Error() string {
	return fmt.Sprintf("claim: key %s: it is done, but its response cannot be given again: %s", e.ID, e.Reason)
}

// Unwrap tells it from an error of Redis.
func (e *ResponseError) Unwrap() error { return errRefused }

// UnavailableError says that Redis could not be reached, and that the handler was
// not called. Unavailable reports true for it.
type UnavailableError struct {
	ID  string
	Err error
}

func (e *UnavailableError) Error() string { return fmt.Sprintf("claim: key %s: %v", e.ID, e.Err) }

// Unwrap gives the error of the client.
func (e *UnavailableError) Unwrap() error { return e.Err }

// UnrecordedError says that the handler has done its work and that this could
// not be recorded, until the invocation was about to end. Whether it is on
// record is not known: an answer may have been lost. If it is not, a call after
// the lease has ended does the work again.
type UnrecordedError struct {
	Claim Claim
	Err   error
}

func (e *UnrecordedError) Error() string {
	return fmt.Sprintf("claim: key %s: the work with fence %d is done, but not recorded: %v", e.Claim.ID, e.Claim.Fence, e.Err)
}

// Unwrap gives the error of the last try.
func (e *UnrecordedError) Unwrap() error { return e.Err }
