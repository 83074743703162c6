package batch

import (
	"context"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"photofinish/shared/claim"
	"photofinish/shared/claim/key"
)

// SQS makes a handler of batches of a queue. Messages are worked on in their
// order. Of a FIFO queue, those behind a failed one in its message group fail with
// it, without being worked on, so that their order is kept; other groups go on.
func SQS(e *claim.Engine, o Options[events.SQSMessage], handle func(context.Context, events.SQSMessage) error) (func(context.Context, events.SQSEvent) (events.SQSEventResponse, error), error) {
	if o.Guard.Key.Value == nil && o.Guard.Key.Err == nil {
		o.Guard.Key = key.Func(func(m events.SQSMessage) string { return m.MessageId })
		o.Guard.Key.Name = "the message id"
	}
	w, err := newWorker(e, o, func(m events.SQSMessage) string { return m.MessageId }, handle)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
		failures := []events.SQSBatchItemFailure{}
		stopped := map[string]bool{} // message groups in which one has failed
		for _, m := range event.Records {
			group, ordered := group(m)
			behind := ordered && stopped[group]
			if behind {
				w.failed(ctx, m, errBehind)
			}
			if !behind && w.work(ctx, m) {
				continue
			}
			if m.MessageId == "" {
				return events.SQSEventResponse{}, unnamed("message id")
			}
			stopped[group] = true
			failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
		return events.SQSEventResponse{BatchItemFailures: failures}, nil
	}, nil
}

// group is the message group of a message, and whether its order counts.
func group(m events.SQSMessage) (string, bool) {
	return m.EventSourceARN + " " + m.Attributes["MessageGroupId"], strings.HasSuffix(m.EventSourceARN, ".fifo")
}
