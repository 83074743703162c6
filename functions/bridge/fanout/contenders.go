package fanout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"photofinish/shared/delivery"
)

// errNotDelivered says that an invocation did not reach the work: the function
// was throttled or could not be reached, or the contender could not reach Redis.
// That says nothing against the orders.
var errNotDelivered = errors.New("not delivered")

// Invoke calls the inventory function and waits for its answer.
type Invoke func(ctx context.Context, payload []byte) (*lambda.InvokeOutput, error)

// lambdaInvoke invokes it through Lambda.
func lambdaInvoke(ctx context.Context, s Settings) (Invoke, error) {
	connections := s.Fanout * (s.batches() + redeliveries*len(s.Warehouses))
	// Adaptive mode slows the calls down while Lambda throttles them.
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithRetryMode(aws.RetryModeAdaptive),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(poolOf(connections))))
	if err != nil {
		return nil, fmt.Errorf("aws configuration: %w", err)
	}
	client := lambda.NewFromConfig(cfg)
	return func(ctx context.Context, payload []byte) (*lambda.InvokeOutput, error) {
		return client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &s.Function, Payload: payload})
	}, nil
}

// contenders invokes the inventory function, and knows how long it takes.
type contenders struct {
	timeout time.Duration
	invoke  Invoke

	mu      sync.Mutex
	latency *hdrhistogram.Histogram // of answers, in ms
}

func newContenders(invoke Invoke, s Settings) *contenders {
	return &contenders{
		timeout: s.InvokeTimeout,
		invoke:  invoke,
		latency: hdrhistogram.New(1, (time.Hour).Milliseconds(), 2),
	}
}

// race hands a batch to one contender and returns its answer.
func (c *contenders) race(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
	payload, err := json.Marshal(b)
	if err != nil {
		return delivery.Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	start := time.Now()
	out, err := c.invoke(ctx, payload)
	if err != nil {
		if ctx.Err() != nil { // it may well be at work
			return delivery.Answer{}, fmt.Errorf("no answer in %v: %w", c.timeout, err)
		}
		return delivery.Answer{}, fmt.Errorf("%w: %w", errNotDelivered, err)
	}
	if out.FunctionError != nil {
		return delivery.Answer{}, functionError(out.Payload)
	}
	var answer delivery.Answer
	if err := json.Unmarshal(out.Payload, &answer); err != nil {
		return answer, fmt.Errorf("the answer is not that of a contender: %w", err)
	}
	if len(answer.Outcomes) != len(b.Deliveries) {
		return answer, fmt.Errorf("the answer is not that of a contender: it has %d outcomes for %d orders", len(answer.Outcomes), len(b.Deliveries))
	}
	c.observe(time.Since(start))
	return answer, nil
}

func functionError(payload []byte) error {
	var e struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(payload, &e); err != nil {
		return fmt.Errorf("the contender failed: %.200s", payload)
	}
	if e.Type == delivery.UnavailableType {
		return fmt.Errorf("%w: %.500s", errNotDelivered, e.Message)
	}
	return fmt.Errorf("the contender failed: %.100s: %.500s", e.Type, e.Message)
}

func (c *contenders) observe(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.latency.RecordValue(max(1, d.Milliseconds())) // out of range only past an hour
}

// Bounds of how long hedging waits for the first contender.
const (
	minHedge = 5 * time.Millisecond
	maxHedge = 2 * time.Second
)

// patience is how long to wait for one contender before others are asked: the
// 95th percentile of the answers so far.
func (c *contenders) patience() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	p95 := time.Duration(c.latency.ValueAtPercentile(95)) * time.Millisecond
	return min(max(p95, minHedge), maxHedge)
}
