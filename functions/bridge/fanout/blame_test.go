package fanout

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
	"photofinish/shared/redistest"
)

func TestThrottlingIsNotHeldAgainstOrders(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{
		"throttled":      &types.TooManyRequestsException{Message: aws.String("Rate Exceeded.")},
		"no such host":   errors.New("dial tcp: lookup lambda: no such host"),
		"redis is away":  &delivery.UnavailableError{Err: errors.New("connection refused")},
		"function is no": &types.ResourceNotFoundException{Message: aws.String("Function not found")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb := redistest.Server(t)
			shop := newShop(t, rdb, "main")
			racer := shop.racer()
			s := quick()
			s.MaxDeliveries = 2
			var open atomic.Bool
			c, seen := contend(s, func(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
				if !open.Load() {
					return delivery.Answer{}, failure
				}
				return racer.race(ctx, b)
			})
			b := start(t, rdb, s, c)
			orders := ids("order", 10)
			shop.place(t, "001", orders...)
			until(t, "many deliveries", func() bool { return seen.count() >= 4*s.Fanout })
			for _, p := range shop.pending(t) {
				if p.Deliveries > 1 {
					t.Errorf("entry %s: %d deliveries are counted", p.Entry, p.Deliveries)
				}
			}
			open.Store(true)
			shop.settled(t, orders...)
			shop.empty(t)
			for _, id := range orders {
				if r := shop.record(t, id); r.Deliveries != 1 {
					t.Errorf("%s was settled at delivery %d", id, r.Deliveries)
				}
			}
			shop.buried(t, 0)
			if len(b.log.lines(t, "contenders failed")) == 0 {
				t.Error("nothing was logged")
			}
		})
	}
}

// A function that does not start, or that is not the inventory function, ends
// every delivery; no order is at fault.
func TestABrokenFunctionBuriesNothing(t *testing.T) {
	t.Parallel()
	answers := map[string]*lambda.InvokeOutput{
		"crash at start": {FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"Runtime.ExitError","errorMessage":"exit status 1"}`)},
		"not JSON":       {Payload: []byte(`<html>`)},
		"null":           {Payload: []byte(`null`)},
		"other function": {Payload: []byte(`{"statusCode":200,"body":"hello"}`)},
		"huge error":     {FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"E","errorMessage":"` + strings.Repeat("x", 1<<20) + `"}`)},
	}
	for name, broken := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb := redistest.Server(t)
			shop := newShop(t, rdb, "main")
			racer := shop.racer()
			s := quick()
			s.MaxDeliveries = 1
			c, _ := contend(s, racer.race)
			sound := c.invoke
			var repaired atomic.Bool
			c.invoke = func(ctx context.Context, payload []byte) (*lambda.InvokeOutput, error) {
				if repaired.Load() {
					return sound(ctx, payload)
				}
				return broken, nil
			}
			b := start(t, rdb, s, c)
			orders := ids("order", 2)
			shop.place(t, "001", orders...)
			until(t, "more deliveries than are allowed", func() bool {
				ps := shop.pending(t)
				return len(ps) == 2 && ps[0].Deliveries > 2 && ps[1].Deliveries > 2
			})
			shop.buried(t, 0)
			repaired.Store(true)
			shop.settled(t, orders...)
			shop.empty(t)
			for _, l := range b.log.lines(t, "contenders failed") {
				if text, _ := l["error"].(string); len(text) == 0 || len(text) > 1000 {
					t.Fatalf("the log tells the error in %d bytes", len(text))
				}
			}
		})
	}
}

func TestWhatAContendersAnswerMeans(t *testing.T) {
	t.Parallel()
	b := delivery.Batch{Warehouse: "main", Deliveries: []claim.Delivery{{Entry: "1-1", ID: "29", Count: 1}}}
	good, err := json.Marshal(delivery.Answer{Outcomes: []delivery.Outcome{{Order: "29", Entry: "1-1", Outcome: claim.Done}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		out          *lambda.InvokeOutput
		err          error
		want         string
		notDelivered bool
	}{
		"answer":          {out: &lambda.InvokeOutput{Payload: good}},
		"too few":         {out: &lambda.InvokeOutput{Payload: []byte(`{"outcomes":[]}`)}, want: "0 outcomes for 1 orders"},
		"no JSON":         {out: &lambda.InvokeOutput{Payload: []byte(`hello`)}, want: "not that of a contender"},
		"throttled":       {err: &types.TooManyRequestsException{}, want: "TooManyRequests", notDelivered: true},
		"unavailable":     {out: &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"UnavailableError","errorMessage":"away"}`)}, want: "away", notDelivered: true},
		"failed":          {out: &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"errorString","errorMessage":"no"}`)}, want: "errorString: no"},
		"failed, no JSON": {out: &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`oops`)}, want: "oops"},
	} {
		c, _ := contend(quick(), nil)
		c.invoke = func(context.Context, []byte) (*lambda.InvokeOutput, error) { return tt.out, tt.err }
		a, err := c.race(t.Context(), b)
		switch {
		case tt.want == "" && (err != nil || len(a.Outcomes) != 1):
			t.Errorf("%s: %v, %v", name, a, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, errNotDelivered) != tt.notDelivered):
			t.Errorf("%s: %v, want %q, not delivered: %v", name, err, tt.want, tt.notDelivered)
		}
	}

	// One that does not answer in time may well have been at work.
	s := quick()
	s.InvokeTimeout = 20 * time.Millisecond
	c, _ := contend(s, func(ctx context.Context, _ delivery.Batch) (delivery.Answer, error) {
		<-ctx.Done()
		return delivery.Answer{}, ctx.Err()
	})
	if _, err := c.race(t.Context(), b); err == nil || errors.Is(err, errNotDelivered) || !strings.Contains(err.Error(), "no answer in 20ms") {
		t.Errorf("without an answer: %v", err)
	}
}
