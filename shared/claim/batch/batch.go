// Package batch makes handlers of batches of SQS, Kinesis and DynamoDB streams in
// which every record counts once: a record that is delivered again after it has
// ended is not worked on again, and one that fails does not take the others with
// it.
//
// Each returns the form in which Lambda takes partial failures. Lambda reads that
// only where the event source mapping has ReportBatchItemFailures among its
// FunctionResponseTypes. WITHOUT THAT SETTING A FAILED RECORD COUNTS AS PROCESSED
// AND IS GONE.
package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"photofinish/shared/claim"
)

// DefaultReserve is the default of Options.Reserve.
const DefaultReserve = 500 * time.Millisecond

// None is what the handler of a record responds: nothing.
type None = struct{}

// Options are the settings of a batch handler.
type Options[Record any] struct {
	// Guard are the settings for each record. By default the key of a message of
	// SQS is its message id, that of a record of a stream its event id: these stay
	// the same when it is delivered again, but a sender that sends twice makes two.
	// Where the sender's own id is in the record, such a key is better. Guard.Log
	// has to be set: it is the only place that tells why a record failed.
	Guard claim.HandlerOptions[Record, None]
	// Reserve is how long before the deadline no further record is begun: the rest
	// is reported as failed, and comes again. It has to cover what a record takes,
	// else the invocation can time out, with which the whole batch comes again.
	Reserve time.Duration
}

var (
	errDeadline = errors.New("batch: the deadline of the invocation is near")
	errBehind   = errors.New("batch: a record before it in its group has failed")
)

// worker works on records one after the other.
type worker[Record any] struct {
	handle  func(context.Context, Record) (None, error)
	name    func(Record) string // the id that Lambda takes for a failure
	reserve time.Duration
	log     *slog.Logger
}

func newWorker[Record any](e *claim.Engine, o Options[Record], name func(Record) string, handle func(context.Context, Record) error) (*worker[Record], error) {
	if o.Guard.Log == nil {
		return nil, errors.New("batch: the option Guard.Log is not set: nothing else tells why a record failed")
	}
	if o.Reserve == 0 {
		o.Reserve = DefaultReserve
	}
	if o.Reserve < 0 {
		return nil, fmt.Errorf("batch: the option Reserve is %v: cannot be under zero", o.Reserve)
	}
	if handle == nil {
		return nil, errors.New("batch: the function is nil")
	}
	guarded, err := claim.Handler(e, o.Guard, func(ctx context.Context, r Record) (None, error) { return None{}, handle(ctx, r) })
	if err != nil {
		return nil, fmt.Errorf("batch: %w", err)
	}
	return &worker[Record]{guarded, name, o.Reserve, o.Guard.Log}, nil
}

// work works on one record, and reports whether it need not come again. What an
// effect has rejected need not: it has ended, and would end so each time.
func (w *worker[Record]) work(ctx context.Context, r Record) (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			w.log.ErrorContext(ctx, "a record failed", "record", w.name(r), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			ok = false
		}
	}()
	err := w.late(ctx)
	if err == nil {
		_, err = w.handle(ctx, r)
	}
	if _, rejected := errors.AsType[*claim.RejectedError](err); rejected {
		w.log.WarnContext(ctx, "a record was rejected", "record", w.name(r), "error", err)
		return true
	}
	if err != nil {
		w.failed(ctx, r, err)
	}
	return err == nil
}

func (w *worker[Record]) late(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < w.reserve || ctx.Err() != nil {
		return errDeadline
	}
	return nil
}

func (w *worker[Record]) failed(ctx context.Context, r Record, err error) {
	w.log.WarnContext(ctx, "a record failed", "record", w.name(r), "error", err)
}

// unnamed is the error for a record that cannot be reported: then all have to come
// again.
func unnamed(what string) error {
	return fmt.Errorf("batch: a record that failed has no %s: the batch fails as a whole", what)
}
