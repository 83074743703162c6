package batch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"photofinish/shared/claim"
	"photofinish/shared/claim/batch"
	"photofinish/shared/claim/key"
	"photofinish/shared/redistest"
)

var errPoison = errors.New("poison")

// bench is an engine, and a log of what was worked on.
type bench struct {
	*claim.Engine
	worked []string
	lines  bytes.Buffer
	poison map[string]bool // what fails
}

func newBench(t *testing.T, poison ...string) *bench {
	t.Helper()
	e, err := claim.Open(redistest.Embedded(t), "main", claim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Engine: e, poison: map[string]bool{}}
	for _, p := range poison {
		b.poison[p] = true
	}
	return b
}

func (b *bench) do(text string) error {
	b.worked = append(b.worked, text)
	if strings.HasPrefix(text, "panic") {
		panic("on purpose")
	}
	if b.poison[text] {
		return errPoison
	}
	return nil
}

func options[R any](b *bench) batch.Options[R] {
	return batch.Options[R]{Guard: claim.HandlerOptions[R, batch.None]{Function: "f", Log: slog.New(slog.NewTextHandler(&b.lines, nil))}}
}

func (b *bench) did(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, b.worked); diff != "" {
		t.Errorf("worked on (-want +got):\n%s", diff)
	}
	b.worked = nil
}

// answered requires the JSON that Lambda is given.
func answered(t *testing.T, response any, err error, ids ...string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(response)
	if err != nil {
		t.Fatal(err)
	}
	items := make([]string, len(ids))
	for i, id := range ids {
		items[i] = fmt.Sprintf(`{"itemIdentifier":%q}`, id)
	}
	if want := `{"batchItemFailures":[` + strings.Join(items, ",") + `]}`; string(got) != want {
		t.Errorf("answered %s, want %s", got, want)
	}
}

func messages(arn string, texts ...string) events.SQSEvent {
	var e events.SQSEvent
	for _, text := range texts {
		id, groupID, _ := strings.Cut(text, "@")
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: id, Body: id, EventSourceARN: "arn:aws:sqs:eu-west-1:123456789012:" + arn, ReceiptHandle: time.Now().String(),
			Attributes: map[string]string{"MessageGroupId": groupID},
		})
	}
	return e
}

func sqs(t *testing.T, b *bench, o batch.Options[events.SQSMessage]) func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	t.Helper()
	h, err := batch.SQS(b.Engine, o, func(_ context.Context, m events.SQSMessage) error { return b.do(m.Body) })
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAPoisonMessageFailsAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t, "m2")
	h := sqs(t, b, options[events.SQSMessage](b))
	r, err := h(t.Context(), messages("orders", "m1", "m2", "panic3", "m4"))
	answered(t, r, err, "m2", "panic3")
	b.did(t, "m1", "m2", "panic3", "m4")
	for _, want := range []string{"record=m2", "poison", "record=panic3", "on purpose", "batch_test.(*bench).do"} {
		if !strings.Contains(b.lines.String(), want) {
			t.Errorf("the log does not tell %q:\n%s", want, b.lines.String())
		}
	}
	// The whole batch comes again: only what failed is worked on.
	delete(b.poison, "m2")
	r, err = h(t.Context(), messages("orders", "m1", "m2", "panic3", "m4"))
	answered(t, r, err, "panic3")
	b.did(t, "m2", "panic3")
}

func TestAnEmptyBatchIsFine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, err := sqs(t, b, options[events.SQSMessage](b))(t.Context(), events.SQSEvent{})
	answered(t, r, err)
	kinesis, dynamo := streams(t, b)
	k, err := kinesis(t.Context(), events.KinesisEvent{})
	answered(t, k, err)
	d, err := dynamo(t.Context(), events.DynamoDBEvent{})
	answered(t, d, err)
}

func TestAFIFOQueueKeepsTheOrderOfEachGroup(t *testing.T) {
	t.Parallel()
	b := newBench(t, "a1")
	h := sqs(t, b, options[events.SQSMessage](b))
	batch := messages("orders.fifo", "a1@A", "b1@B", "a2@A", "b2@B", "a3@A")
	r, err := h(t.Context(), batch)
	answered(t, r, err, "a1", "a2", "a3")
	b.did(t, "a1", "b1", "b2")
	delete(b.poison, "a1")
	r, err = h(t.Context(), batch)
	answered(t, r, err)
	b.did(t, "a1", "a2", "a3")
}

func TestTheSameMessageTwiceInABatchCountsOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	o := options[events.SQSMessage](b)
	o.Guard.Key = key.BodyJMESPath[events.SQSMessage]("orderId")
	h := sqs(t, b, o)
	event := messages("orders", "m1", "m2", "m3")
	event.Records[0].Body, event.Records[1].Body, event.Records[2].Body = `{"orderId":1}`, `{"orderId":1}`, `{"n":1}`
	r, err := h(t.Context(), event)
	answered(t, r, err, "m3") // it has no key
	b.did(t, `{"orderId":1}`)
}

func TestNearTheDeadlineTheRestIsReported(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	o := options[events.SQSMessage](b)
	o.Reserve = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour+time.Minute)
	defer cancel()
	h, err := batch.SQS(b.Engine, o, func(_ context.Context, m events.SQSMessage) error { return b.do(m.Body) })
	if err != nil {
		t.Fatal(err)
	}
	r, err := h(ctx, messages("orders", "m1"))
	answered(t, r, err)
	b.did(t, "m1")
	late, cancelLate := context.WithTimeout(t.Context(), time.Hour-time.Minute)
	defer cancelLate()
	r, err = h(late, messages("orders", "m1", "m2"))
	answered(t, r, err, "m1", "m2")
	b.did(t)
	// In the middle of a batch.
	ends, stop := context.WithCancel(t.Context())
	h, err = batch.SQS(b.Engine, options[events.SQSMessage](b), func(_ context.Context, m events.SQSMessage) error {
		stop()
		return b.do(m.Body)
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err = h(ends, messages("orders", "m3", "m4", "m5"))
	answered(t, r, err, "m4", "m5")
	b.did(t, "m3")
}

// What another is at work on comes again later.
func TestAMessageThatAnotherIsAtWorkOnIsReported(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var h func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)
	h, err := batch.SQS(b.Engine, options[events.SQSMessage](b), func(ctx context.Context, m events.SQSMessage) error {
		r, err := h(ctx, messages("orders", m.MessageId))
		answered(t, r, err, m.MessageId)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := h(t.Context(), messages("orders", "m1"))
	answered(t, r, err)
}

func TestWhatAnEffectRejectsIsNotDeliveredAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	reject := claim.NewEffect("reject", "return 'rejected', 'too little'")
	h, err := batch.SQS(b.Engine, options[events.SQSMessage](b), func(ctx context.Context, m events.SQSMessage) error {
		return errors.Join(b.do(m.Body), claim.Commit(ctx, reject, nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r, err := h(t.Context(), messages("orders", "m1"))
		answered(t, r, err)
	}
	b.did(t, "m1")
	if !strings.Contains(b.lines.String(), "too little") {
		t.Errorf("the log does not tell of it:\n%s", b.lines.String())
	}
}

func TestARecordThatCannotBeReportedFailsTheBatch(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := sqs(t, b, options[events.SQSMessage](b))(t.Context(), messages("orders", "m1", "")); err == nil {
		t.Error("a message without an id has failed, and nobody learns of it")
	}
	kinesis, dynamo := streams(t, b)
	if _, err := kinesis(t.Context(), events.KinesisEvent{Records: make([]events.KinesisEventRecord, 1)}); err == nil {
		t.Error("a record without a sequence number has failed, and nobody learns of it")
	}
	if _, err := dynamo(t.Context(), events.DynamoDBEvent{Records: make([]events.DynamoDBEventRecord, 1)}); err == nil {
		t.Error("a record without a sequence number has failed, and nobody learns of it")
	}
}

func streams(t *testing.T, b *bench) (func(context.Context, events.KinesisEvent) (events.KinesisEventResponse, error), func(context.Context, events.DynamoDBEvent) (events.DynamoDBEventResponse, error)) {
	t.Helper()
	k, err := batch.Kinesis(b.Engine, options[events.KinesisEventRecord](b), func(_ context.Context, r events.KinesisEventRecord) error { return b.do(string(r.Kinesis.Data)) })
	if err != nil {
		t.Fatal(err)
	}
	d, err := batch.DynamoDB(b.Engine, options[events.DynamoDBEventRecord](b), func(_ context.Context, r events.DynamoDBEventRecord) error {
		return b.do(r.Change.Keys["id"].String())
	})
	if err != nil {
		t.Fatal(err)
	}
	return k, d
}

// A stream stops at the first failure, and Lambda delivers again from there.
func TestAStreamStopsAtTheFirstFailure(t *testing.T) {
	t.Parallel()
	b := newBench(t, "r2")
	kinesis, dynamo := streams(t, b)
	var k events.KinesisEvent
	var d events.DynamoDBEvent
	for i, text := range []string{"r1", "r2", "r3"} {
		seq := fmt.Sprintf("4954511523349098501828006771497314458218006259324420096%d", i)
		k.Records = append(k.Records, events.KinesisEventRecord{
			EventID: "shardId-000000000006:" + seq, EventSourceArn: "arn:aws:kinesis:us-east-1:123456789012:stream/orders",
			Kinesis: events.KinesisRecord{SequenceNumber: seq, Data: []byte(text), PartitionKey: "p"},
		})
		d.Records = append(d.Records, events.DynamoDBEventRecord{
			EventID: fmt.Sprintf("c4ca4238a0b923820dcc509a6f75849%d", i), EventName: "INSERT", EventSourceArn: "arn:aws:dynamodb:us-east-1:123456789012:table/Orders/stream/2015-06-27T00:48:05.899",
			Change: events.DynamoDBStreamRecord{SequenceNumber: seq, Keys: map[string]events.DynamoDBAttributeValue{"id": events.NewStringAttribute(text)}},
		})
	}
	r, err := kinesis(t.Context(), k)
	answered(t, r, err, k.Records[1].Kinesis.SequenceNumber)
	b.did(t, "r1", "r2")
	rd, err := dynamo(t.Context(), d)
	answered(t, rd, err, d.Records[1].Change.SequenceNumber)
	b.did(t, "r1", "r2")

	delete(b.poison, "r2")
	r, err = kinesis(t.Context(), k) // all of it, as after a timeout
	answered(t, r, err)
	b.did(t, "r2", "r3")
	d.Records = d.Records[1:]
	rd, err = dynamo(t.Context(), d)
	answered(t, rd, err)
	b.did(t, "r2", "r3")
}

// The same event id of two streams is two records.
func TestEventIDsOfTwoStreamsAreDifferent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	kinesis, _ := streams(t, b)
	for _, stream := range []string{"orders", "payments", "orders"} {
		r, err := kinesis(t.Context(), events.KinesisEvent{Records: []events.KinesisEventRecord{{
			EventID: "shardId-000000000000:1", EventSourceArn: "arn:aws:kinesis:us-east-1:123456789012:stream/" + stream,
			Kinesis: events.KinesisRecord{SequenceNumber: "1", Data: []byte("r")},
		}}})
		answered(t, r, err)
	}
	b.did(t, "r", "r")
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	handle := func(context.Context, events.SQSMessage) error { return nil }
	for want, change := range map[string]func(*batch.Options[events.SQSMessage]){
		"Guard.Log is not set":  func(o *batch.Options[events.SQSMessage]) { o.Guard.Log = nil },
		"Reserve is -1ns":       func(o *batch.Options[events.SQSMessage]) { o.Reserve = -1 },
		"the option Prefix":     func(o *batch.Options[events.SQSMessage]) { o.Guard.Prefix = ":" },
		"JMESPath expression":   func(o *batch.Options[events.SQSMessage]) { o.Guard.Key = key.JMESPath[events.SQSMessage]("[") },
		"the function is nil":   func(*batch.Options[events.SQSMessage]) {},
		"engine or the functio": func(*batch.Options[events.SQSMessage]) {},
	} {
		o := options[events.SQSMessage](b)
		change(&o)
		e, f := b.Engine, handle
		switch want {
		case "the function is nil":
			f = nil
		case "engine or the functio":
			e = nil
		}
		if _, err := batch.SQS(e, o, f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
}
