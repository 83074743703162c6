package claim_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"photofinish/shared/claim"
	"photofinish/shared/claim/key"
)

// takeGoods is an effect: it takes goods from the stock, if there are enough.
var takeGoods = claim.NewEffect("take", `
	local n = tonumber(ARGV[1])
	if not n or n < 1 then error('the quantity is no number above zero') end
	local left = tonumber(redis.call('GET', KEYS[1]) or '0') - n
	if left < 0 then return 'rejected', 'too little on hand' end
	redis.call('SET', KEYS[1], string.format('%d', left))
	return 'settled'`)

// An effect inside a handler: it happens in the step that records the response.
func ExampleCommit() {
	rdb, stop := exampleRedis()
	rdb.Set(context.Background(), "{shop}:apples", 5, 0)
	engine, err := claim.Open(rdb, "shop", claim.Options{})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := claim.Handler(engine, claim.HandlerOptions[Order, Receipt]{
		Key: key.JMESPath[Order]("orderId"), Function: "sell",
	}, func(ctx context.Context, order Order) (Receipt, error) {
		err := claim.Commit(ctx, takeGoods, []string{"{shop}:apples"}, order.Total)
		return Receipt{Text: "sold"}, err
	})
	if err != nil {
		log.Fatal(err)
	}

	for _, order := range []Order{{"29", 3}, {"29", 3}, {"30", 3}, {"30", 3}} {
		receipt, err := handler(context.Background(), order)
		var rejected *claim.RejectedError
		if errors.As(err, &rejected) {
			fmt.Println(order.ID, rejected.Reason)
			continue
		}
		fmt.Println(order.ID, receipt.Text, err)
	}
	fmt.Println(rdb.Get(context.Background(), "{shop}:apples").Val(), "left")
	stop()
	// Output:
	// 29 sold <nil>
	// 29 sold <nil>
	// 30 too little on hand
	// 30 too little on hand
	// 2 left
}

// An effect from placing an order to settling it.
func ExampleEngine_Settle() {
	rdb, stop := exampleRedis()
	ctx := context.Background()
	rdb.Set(ctx, "{shop}:apples", 5, 0)
	engine, err := claim.Open(rdb, "shop", claim.Options{})
	if err != nil {
		log.Fatal(err)
	}

	// Whoever takes orders places them. The same id again is one order.
	order := claim.Placement{ID: "29", Fingerprint: "3 apples", Message: []byte("3")}
	for range 2 {
		placed, err := engine.Place(ctx, order)
		fmt.Println(placed.Verdict, err)
	}

	// Deliveries are handed to contenders, as many as there are.
	queue := engine.Queue("reader-1")
	if err := queue.Join(ctx); err != nil {
		log.Fatal(err)
	}
	deliveries, err := queue.Read(ctx, 10, time.Second)
	if err != nil {
		log.Fatal(err)
	}

	// They race, and who wins settles: effect, done mark and acknowledgement in one.
	anna, err := engine.Claim(ctx, "anna", 10*time.Second, deliveries)
	if err != nil {
		log.Fatal(err)
	}
	ben, err := engine.Claim(ctx, "ben", 10*time.Second, deliveries)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(anna[0].Outcome, ben[0].Outcome)
	ends, err := engine.Settle(ctx, "anna", takeGoods, []claim.Settlement{{
		Held: anna[0].Held(), Keys: []string{"{shop}:apples"}, Args: []any{string(anna[0].Message)},
	}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ends[0].Outcome, rdb.Get(ctx, "{shop}:apples").Val(), "left")
	stop()
	// Output:
	// placed <nil>
	// replayed <nil>
	// won busy
	// settled 2 left
}
