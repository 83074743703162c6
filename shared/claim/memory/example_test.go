package memory_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"photofinish/shared/claim"
	"photofinish/shared/claim/memory"
)

// charge is the effect of the examples: it takes an amount from an account, in
// one step with the done mark, and refuses what the account does not have.
var charge = claim.NewEffect("charge", `
	if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[1]) then return 'rejected', 'too little' end
	redis.call('DECRBY', KEYS[1], ARGV[1])
	return 'settled'`)

// charger is the Lambda function under test: Handle is what lambda.Start is given.
type charger struct {
	engine *claim.Engine
	name   string
}

func (c charger) Handle(ctx context.Context, id string) (claim.Outcome, error) {
	claims, err := c.engine.Claim(ctx, c.name, 10*time.Second, []claim.Delivery{{ID: id, Count: 1}})
	if err != nil || claims[0].Outcome != claim.Won {
		return claim.Busy, err
	}
	ends, err := c.engine.Settle(ctx, c.name, charge, []claim.Settlement{{
		Held: claim.Held{ID: id, Fence: claims[0].Fence}, Keys: []string{"{main}:account"}, Args: []any{30},
	}})
	if err != nil {
		return "", err
	}
	return ends[0].Outcome, nil
}

// The unit test of a Lambda function with an effect: the account is charged once,
// though an answer of Redis is lost and the function is invoked twice.
func TestTheAccountIsChargedOnce(t *testing.T) {
	ctx, r := t.Context(), memory.New(t)
	e := r.Engine("main", claim.Options{})
	r.Client().Set(ctx, "{main}:account", 100, 0)
	if _, err := e.Place(ctx, claim.Placement{ID: "29", Fingerprint: "f"}); err != nil {
		t.Fatal(err)
	}
	r.LoseReplies(1)
	for _, name := range []string{"a", "b"} {
		if _, err := (charger{e, name}).Handle(ctx, "29"); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.Client().Get(ctx, "{main}:account").Val(); got != "70" {
		t.Errorf("%s on the account, want 70", got)
	}
}

// One contender crashes while it holds the order, and another is told that it is
// busy, until the lease has ended. The test does not wait for that.
func Example() {
	ctx, r := context.Background(), memory.Open() // memory.New(t) in a test
	defer r.Close()
	e := r.Engine("main", claim.Options{})
	r.Client().Set(ctx, "{main}:account", 100, 0)
	_, _ = e.Place(ctx, claim.Placement{ID: "29", Fingerprint: "f"})
	_, _ = e.Claim(ctx, "crashed", 10*time.Second, []claim.Delivery{{ID: "29", Count: 1}})

	fmt.Println(charger{e, "second"}.Handle(ctx, "29"))
	r.Advance(11 * time.Second)
	fmt.Println(charger{e, "second"}.Handle(ctx, "29"))
	fmt.Println("left:", r.Client().Get(ctx, "{main}:account").Val())
	// Output:
	// busy <nil>
	// settled <nil>
	// left: 70
}

// What a program does while Redis is away, and with an answer that is lost.
func ExampleRedis_Cut() {
	ctx, r := context.Background(), memory.Open()
	defer r.Close()
	e := r.Engine("main", claim.Options{})
	r.Client().Set(ctx, "{main}:account", 100, 0)
	_, _ = e.Place(ctx, claim.Placement{ID: "29", Fingerprint: "f"})

	r.Cut()
	_, err := charger{e, "a"}.Handle(ctx, "29")
	fmt.Println("unavailable:", claim.Unavailable(err))
	r.Mend()
	r.LoseReplies(1)
	fmt.Println(charger{e, "a"}.Handle(ctx, "29"))
	fmt.Println("left:", r.Client().Get(ctx, "{main}:account").Val())
	// Output:
	// unavailable: true
	// settled <nil>
	// left: 70
}
