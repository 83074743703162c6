package batch

import (
	"context"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"photofinish/shared/claim"
	"photofinish/shared/claim/key"
)

// Kinesis makes a handler of batches of a stream. It stops at the first record
// that fails and reports that one: Lambda delivers again from there on, so the
// order of the shard is kept.
func Kinesis(e *claim.Engine, o Options[events.KinesisEventRecord], handle func(context.Context, events.KinesisEventRecord) error) (func(context.Context, events.KinesisEvent) (events.KinesisEventResponse, error), error) {
	if o.Guard.Key.Value == nil && o.Guard.Key.Err == nil {
		o.Guard.Key = key.Func(func(r events.KinesisEventRecord) string {
			if r.EventID == "" {
				return ""
			}
			// The event id is unique within a stream. The slash is none of an id.
			return strings.Replace(r.EventSourceArn, "/", ".", 1) + ":" + r.EventID
		})
		o.Guard.Key.Name = "the event id"
	}
	w, err := newWorker(e, o, func(r events.KinesisEventRecord) string { return r.Kinesis.SequenceNumber }, handle)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, event events.KinesisEvent) (events.KinesisEventResponse, error) {
		failures := []events.KinesisBatchItemFailure{}
		failed, err := w.inOrder(ctx, event.Records)
		if failed != "" {
			failures = append(failures, events.KinesisBatchItemFailure{ItemIdentifier: failed})
		}
		return events.KinesisEventResponse{BatchItemFailures: failures}, err
	}, nil
}

// DynamoDB makes a handler of batches of a table's stream, as Kinesis does.
func DynamoDB(e *claim.Engine, o Options[events.DynamoDBEventRecord], handle func(context.Context, events.DynamoDBEventRecord) error) (func(context.Context, events.DynamoDBEvent) (events.DynamoDBEventResponse, error), error) {
	if o.Guard.Key.Value == nil && o.Guard.Key.Err == nil {
		o.Guard.Key = key.Func(func(r events.DynamoDBEventRecord) string { return r.EventID })
		o.Guard.Key.Name = "the event id"
	}
	w, err := newWorker(e, o, func(r events.DynamoDBEventRecord) string { return r.Change.SequenceNumber }, handle)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, event events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
		failures := []events.DynamoDBBatchItemFailure{}
		failed, err := w.inOrder(ctx, event.Records)
		if failed != "" {
			failures = append(failures, events.DynamoDBBatchItemFailure{ItemIdentifier: failed})
		}
		return events.DynamoDBEventResponse{BatchItemFailures: failures}, err
	}, nil
}

// inOrder works on records until one fails, and gives its sequence number.
func (w *worker[Record]) inOrder(ctx context.Context, records []Record) (failed string, err error) {
	for _, r := range records {
		if w.work(ctx, r) {
			continue
		}
		if w.name(r) == "" {
			return "", unnamed("sequence number")
		}
		return w.name(r), nil
	}
	return "", nil
}
