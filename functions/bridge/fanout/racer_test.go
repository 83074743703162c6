package fanout

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
	"photofinish/shared/order"
	"photofinish/shared/stock"
)

// racer is a contender inside the test: the inventory function's way with the
// real engine, and a place to make things go wrong.
type racer struct {
	lease time.Duration
	open  func(warehouse string) *claim.Engine
	// claimed is called with what was won; an error is how the contender ends.
	claimed func(owner string, won []claim.Claimed) error
}

func racerOn(rdb redis.UniversalClient, lease time.Duration) *racer {
	return &racer{lease: lease, open: func(warehouse string) *claim.Engine {
		e, err := claim.Open(rdb, warehouse, claim.Options{MaxDeliveries: 3})
		if err != nil {
			panic(err)
		}
		return e
	}}
}

func (r *racer) race(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
	engine := r.open(b.Warehouse)
	owner := fmt.Sprintf("racer-%d-%d", b.Lane, time.Now().UnixNano())
	answer := delivery.Answer{Contender: owner}
	claims, err := engine.Claim(ctx, owner, r.lease, b.Deliveries)
	if err != nil {
		return answer, &delivery.UnavailableError{Err: err}
	}
	var won []claim.Claimed
	entries := map[string]string{}
	for i, c := range claims {
		entries[c.ID] = b.Deliveries[i].Entry
		if c.Outcome == claim.Won {
			won = append(won, c)
			continue
		}
		answer.Outcomes = append(answer.Outcomes, delivery.Outcome{Order: c.ID, Entry: b.Deliveries[i].Entry, Outcome: c.Outcome, Status: c.State, Owner: c.Holder, LeftMS: c.Left.Milliseconds()})
	}
	if r.claimed != nil {
		if err := r.claimed(owner, won); err != nil {
			return answer, err
		}
	}
	var settlements []claim.Settlement
	for _, c := range won {
		items, err := order.Items(c.Message)
		if err != nil {
			return answer, err
		}
		settlements = append(settlements, stock.Settlement(b.Warehouse, claim.Held{ID: c.ID, Fence: c.Fence}, items))
	}
	ends, err := engine.Settle(ctx, owner, stock.Take, settlements)
	if err != nil {
		return answer, &delivery.UnavailableError{Err: err}
	}
	for i, end := range ends {
		out := delivery.Outcome{Order: end.ID, Entry: entries[end.ID], Outcome: end.Outcome, Status: end.State, Fence: settlements[i].Fence, Reason: end.Reason}
		if end.Outcome == claim.Failed {
			released, err := engine.Release(ctx, owner, []claim.Failure{{Held: settlements[i].Held, Reason: end.Reason}})
			if err != nil {
				return answer, &delivery.UnavailableError{Err: err}
			}
			if released[0].Buried {
				out.Status = claim.Dead
			}
		}
		answer.Outcomes = append(answer.Outcomes, out)
	}
	return answer, nil
}

// crash is the end of a contender that did not answer.
type crash struct{}

func (crash) Error() string { return "RequestId: 1 Error: Runtime exited with error: exit status 1" }

// lambdaAnswer is what Lambda makes of a contender's answer.
func lambdaAnswer(a delivery.Answer, err error) (*lambda.InvokeOutput, error) {
	var body any = a
	out := &lambda.InvokeOutput{StatusCode: 200}
	switch err := err.(type) { //nolint:errorlint // as Lambda does
	case nil:
	case crash:
		out.FunctionError = aws.String("Unhandled")
		body = map[string]string{"errorType": "Runtime.ExitError", "errorMessage": err.Error()}
	case *delivery.UnavailableError:
		out.FunctionError = aws.String("Unhandled")
		body = map[string]string{"errorType": delivery.UnavailableType, "errorMessage": err.Error()}
	default:
		return nil, err
	}
	var encoding error
	out.Payload, encoding = json.Marshal(body)
	return out, encoding
}

// invocations collects the batches that were handed out.
type invocations struct {
	mu  sync.Mutex
	all []delivery.Batch
}

func (i *invocations) add(b delivery.Batch) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.all = append(i.all, b)
}

func (i *invocations) batches() []delivery.Batch {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]delivery.Batch(nil), i.all...)
}

func (i *invocations) count() int { return len(i.batches()) }

// contend makes contenders of a function that stands for one.
func contend(s Settings, race func(ctx context.Context, b delivery.Batch) (delivery.Answer, error)) (*contenders, *invocations) {
	seen := &invocations{}
	return newContenders(func(ctx context.Context, payload []byte) (*lambda.InvokeOutput, error) {
		var b delivery.Batch
		if err := json.Unmarshal(payload, &b); err != nil {
			return nil, err
		}
		seen.add(b)
		return lambdaAnswer(race(ctx, b))
	}, s), seen
}
