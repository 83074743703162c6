package claim_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

// A client that has followed as many redirections as it may hands the last one to
// the engine's caller. That is nothing final: the slot is on its way. The caller
// learns that it may repeat the call, and the call repeated does what it should.
func TestARedirectionThatReachesTheCallerMeansTryAgain(t *testing.T) {
	ctx := t.Context()
	patient, shards := redistest.Cluster(t)
	o := *patient.Options()
	o.MaxRedirects = -1 // none
	impatient := redis.NewClusterClient(&o)
	defer impatient.Close()
	engine := func(rdb redis.UniversalClient) *claim.Engine {
		e, err := claim.Open(rdb, "main", claim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	if err := engine(patient).Queue("one").Join(ctx); err != nil {
		t.Fatal(err)
	}

	push := claim.NewEffect("push", `redis.call('RPUSH', KEYS[1], order.id) return 'settled'`)
	effects := []string{"{main}:effects"}
	held := claim.Held{ID: "29", Fence: 1}
	steps := []struct {
		name string
		do   func(e *claim.Engine) error
	}{
		{"place", func(e *claim.Engine) error {
			_, err := e.Place(ctx, claim.Placement{ID: "29", Fingerprint: "f"})
			return err
		}},
		{"place many", func(e *claim.Engine) error {
			_, err := e.PlaceAll(ctx, []claim.Placement{{ID: "29", Fingerprint: "f"}, {ID: "30", Fingerprint: "f"}, {ID: "31", Fingerprint: "f"}})
			return err
		}},
		{"read", func(e *claim.Engine) error {
			_, err := e.Queue("one").Read(ctx, 10, -1)
			return err
		}},
		{"pending", func(e *claim.Engine) error {
			_, err := e.Queue("one").Pending(ctx, 0, "", 10)
			return err
		}},
		{"claim", func(e *claim.Engine) error {
			cs, err := e.Claim(ctx, "A", time.Minute, []claim.Delivery{{ID: "29", Count: 1}, {ID: "none", Count: 1}})
			if err == nil && (cs[0].Outcome != claim.Won || cs[0].Fence != 1) {
				t.Errorf("claim: %+v, want won with the fence 1 each time", cs[0])
			}
			return err
		}},
		{"renew", func(e *claim.Engine) error {
			kept, err := e.Renew(ctx, "A", time.Minute, []claim.Held{held})
			if err == nil && !kept[0] {
				t.Error("renew: the claim is lost")
			}
			return err
		}},
		{"settle", func(e *claim.Engine) error {
			ends, err := e.Settle(ctx, "A", push, []claim.Settlement{{Held: held, Keys: effects}})
			if err == nil && ends[0].Outcome != claim.Done {
				t.Errorf("settle: %+v, want settled each time", ends[0])
			}
			return err
		}},
		{"receive", func(e *claim.Engine) error {
			_, err := e.Receive(ctx, push, claim.Receipt{ID: "in-1", Fingerprint: "f", Keys: effects})
			return err
		}},
		{"lookup", func(e *claim.Engine) error {
			_, _, err := e.Lookup(ctx, "29")
			return err
		}},
	}
	met := map[string]int{}
	for _, step := range steps {
		try := func(when string) {
			err := step.do(engine(impatient))
			if err == nil {
				return
			}
			if !claim.Unavailable(err) {
				t.Errorf("%s %s: %v, want that it is not available just now", step.name, when, err)
			}
			for _, word := range redirections {
				if strings.Contains(err.Error(), word) {
					met[word]++
				}
			}
		}
		// It knows where the slot is when the move begins.
		if err := impatient.ForEachMaster(ctx, func(context.Context, *redis.Client) error { return nil }); err != nil {
			t.Fatal(err)
		}
		err := shards.Move(ctx, "{main}", func(stage redistest.Stage) {
			try([]string{"with half of the keys gone", "with all of the keys gone"}[stage])
		})
		if err != nil {
			t.Fatal(err)
		}
		try("after the move")
		if err := step.do(engine(patient)); err != nil {
			t.Errorf("%s repeated: %v", step.name, err)
		}
	}
	t.Logf("redirections that reached the caller: %v", met)
	for _, word := range redirections {
		if met[word] == 0 {
			t.Errorf("no call met %s", word)
		}
	}
	if n, err := patient.LLen(ctx, effects[0]).Result(); err != nil || n != 2 {
		t.Errorf("%d effects, %v, want one of the order and one of the receipt", n, err)
	}
	if n, err := engine(patient).Backlog(ctx); err != nil || n != 2 {
		t.Errorf("%d orders open, %v, want the two that were not claimed", n, err)
	}
}
