package claim_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/alicebob/miniredis/v2"
	"github.com/aws/aws-lambda-go/events"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/claim/answer"
	"photofinish/shared/claim/key"
)

type Order struct {
	ID    string `json:"orderId"`
	Total int    `json:"total"`
}

type Receipt struct {
	Text string `json:"text"`
}

// charge is a handler as lambda.Start takes it.
func charge(_ context.Context, order Order) (Receipt, error) {
	fmt.Println("charging", order.Total)
	return Receipt{Text: fmt.Sprintf("paid %d for %s", order.Total, order.ID)}, nil
}

func ExampleHandler() {
	_ = os.Setenv("AWS_LAMBDA_FUNCTION_NAME", "charge") // Lambda sets it
	rdb, stop := exampleRedis()

	engine, err := claim.Open(rdb, "payments", claim.Options{})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := claim.Handler(engine, claim.HandlerOptions[Order, Receipt]{
		Key: key.JMESPath[Order]("orderId"),
	}, charge)
	if err != nil {
		log.Fatal(err)
	}
	// In a Lambda function: lambda.Start(handler)

	for _, order := range []Order{{"29", 120}, {"29", 120}, {"29", 999}, {}} {
		fmt.Println(handler(context.Background(), order))
	}
	stop()
	// Output:
	// charging 120
	// {paid 120 for 29} <nil>
	// {paid 120 for 29} <nil>
	// {} claim: key charge:29: it was used before for other content
	// {} claim: the JMESPath expression "orderId" on the event: claim: there is no idempotency key
}

type (
	request  = events.APIGatewayV2HTTPRequest
	response = events.APIGatewayV2HTTPResponse
)

func place(context.Context, request) (response, error) {
	fmt.Println("placing")
	return response{StatusCode: 201, Body: "{}"}, nil
}

// An HTTP API: the key is the header Idempotency-Key, and what is refused is
// answered with problem details.
func ExampleHandler_http() {
	rdb, stop := exampleRedis()
	engine, err := claim.Open(rdb, "orders", claim.Options{})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := claim.Handler(engine, claim.HandlerOptions[request, response]{
		Key:      key.Header[request](),
		OnError:  answer.Problem[response],
		Replayed: answer.Replayed[response],
		Failed:   answer.ServerError[response],
		Function: "place",
	}, place)
	if err != nil {
		log.Fatal(err)
	}

	for _, body := range []string{`{"total":120}`, `{"total":120}`, `{"total":999}`} {
		r, err := handler(context.Background(), request{Headers: map[string]string{"idempotency-key": "k-29"}, Body: body})
		fmt.Println(r.StatusCode, r.Headers["Idempotent-Replayed"], err)
	}
	stop()
	// Output:
	// placing
	// 201  <nil>
	// 201 true <nil>
	// 422  <nil>
}

// The fence in SQL: a handler that was frozen, and wakes up after its successor,
// changes nothing.
func ship(ctx context.Context, db *sql.DB, order Order) error {
	c, ok := claim.FromContext(ctx)
	if !ok {
		return claim.ErrNoClaim // it runs unguarded
	}
	result, err := db.ExecContext(ctx, `UPDATE orders SET status = 'shipped', fence = $1 WHERE id = $2 AND fence < $1`, c.Fence, order.ID)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(fmt.Errorf("order %s: a later claim was here, or there is no such order", order.ID), err)
	}
	return nil
}

var _ = ship

// exampleRedis stands for the Redis that a function has.
func exampleRedis() (rdb *redis.Client, stop func()) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		log.Fatal(err)
	}
	rdb = redis.NewClient(&redis.Options{Addr: m.Addr(), DisableIdentity: true, Protocol: 2})
	return rdb, func() {
		_ = rdb.Close()
		m.Close()
	}
}
