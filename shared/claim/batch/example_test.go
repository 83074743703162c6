package batch_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/alicebob/miniredis/v2"
	"github.com/aws/aws-lambda-go/events"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/claim/batch"
)

// A batch of a queue: one message fails alone, and those that have ended are not
// worked on again when the batch comes again.
func ExampleSQS() {
	m := miniredis.NewMiniRedis() // stands for the Redis that a function has
	if err := m.Start(); err != nil {
		log.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), DisableIdentity: true, Protocol: 2})

	engine, err := claim.Open(rdb, "mail", claim.Options{})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := batch.SQS(engine, batch.Options[events.SQSMessage]{
		Guard: claim.HandlerOptions[events.SQSMessage, batch.None]{Function: "mail", Log: slog.New(slog.NewJSONHandler(os.Stderr, nil))},
	}, func(_ context.Context, m events.SQSMessage) error {
		fmt.Println("mailing", m.Body)
		if m.Body == "nobody" {
			return errors.New("no such address")
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	messages := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m-1", Body: "anna"}, {MessageId: "m-2", Body: "nobody"}}}
	fmt.Println(handler(context.Background(), messages))
	fmt.Println(handler(context.Background(), messages))
	_ = rdb.Close()
	m.Close()
	// Output:
	// mailing anna
	// mailing nobody
	// {[{m-2}]} <nil>
	// mailing nobody
	// {[{m-2}]} <nil>
}
