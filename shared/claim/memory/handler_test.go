package memory_test

import (
	"context"
	"errors"
	"testing"

	"photofinish/shared/claim"
	"photofinish/shared/claim/key"
	"photofinish/shared/claim/memory"
)

type Order struct {
	ID    string `json:"orderId"`
	Total int    `json:"total"`
}

type Receipt struct {
	Paid int `json:"paid"`
}

// The unit test of an idempotent handler: a second call is given the response of
// the first, and one with another total is refused.
func TestAnOrderIsPaidOnce(t *testing.T) {
	calls := 0
	charge := func(_ context.Context, order Order) (Receipt, error) {
		calls++
		return Receipt{order.Total}, nil
	}
	r := memory.New(t)
	handler, err := claim.Handler(r.Engine("payments", claim.Options{}), claim.HandlerOptions[Order, Receipt]{
		Key: key.JMESPath[Order]("orderId"), Function: "charge",
	}, charge)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if receipt, err := handler(t.Context(), Order{"29", 120}); err != nil || receipt.Paid != 120 {
			t.Errorf("%+v, %v", receipt, err)
		}
	}
	if _, err := handler(t.Context(), Order{"29", 999}); !errors.As(err, new(*claim.ConflictError)) {
		t.Errorf("another total: %v", err)
	}
	if calls != 1 {
		t.Errorf("charged %d times", calls)
	}
}
