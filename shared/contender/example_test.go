package contender_test

import (
	"context"
	"fmt"
	"log"
	"strconv"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/contender"
	"photofinish/shared/delivery"
)

// charge takes an amount from an account, if it is there.
var charge = claim.NewEffect("charge", `
	if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[1]) then return 'rejected', 'too little' end
	redis.call('DECRBY', KEYS[1], ARGV[1])
	return 'settled'`)

// A Lambda function behind the bridge, with an effect of its own. Two instances of
// it are handed the same batch, and the account is charged once.
func Example() {
	ctx, rdb, end := shop()

	newContender := func() *contender.Contender {
		c, err := contender.New(contender.Options{
			Open:   func(partition string) (*claim.Engine, error) { return claim.Open(rdb, partition, claim.Options{}) },
			Effect: charge,
			Work: func(_ context.Context, won claim.Claimed) (claim.Settlement, error) {
				amount, err := strconv.Atoi(string(won.Message))
				return claim.Settlement{Keys: []string{"{bank}:account"}, Args: []any{amount}}, err
			},
		})
		if err != nil {
			log.Fatal(err)
		}
		return c // lambda.Start(c.Handle)
	}

	batch := delivered(ctx, rdb)
	for range 2 {
		answer, err := newContender().Handle(ctx, batch)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(answer.Outcomes[0].Outcome, len(answer.BatchItemFailures))
	}
	fmt.Println(rdb.Get(ctx, "{bank}:account").Val(), "left")
	end()
	// Output:
	// settled 0
	// already 0
	// 70 left
}

// shop is a Redis with an account.
func shop() (context.Context, *redis.Client, func()) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		log.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), Protocol: 2, DisableIdentity: true})
	if err := m.Set("{bank}:account", "100"); err != nil {
		log.Fatal(err)
	}
	return context.Background(), rdb, func() { _ = rdb.Close(); m.Close() }
}

// delivered places an order, and hands it out as the bridge does.
func delivered(ctx context.Context, rdb *redis.Client) delivery.Batch {
	engine, err := claim.Open(rdb, "bank", claim.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := engine.Place(ctx, claim.Placement{ID: "29", Fingerprint: "30", Message: []byte("30")}); err != nil {
		log.Fatal(err)
	}
	queue := engine.Queue("bridge")
	if err := queue.Join(ctx); err != nil {
		log.Fatal(err)
	}
	ds, err := queue.Read(ctx, 10, time.Second)
	if err != nil {
		log.Fatal(err)
	}
	return delivery.Batch{Warehouse: "bank", Contenders: 2, Deliveries: ds}
}
