package fanout

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
	"photofinish/shared/redistest"
)

func TestAContenderThatNeverAnswersKeepsOneSlot(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	shop := newShop(t, rdb, "main")
	s := quick()
	s.Fanout, s.InFlight = 2, 2
	racer := shop.racer()
	frozen, thaw := make(chan struct{}), make(chan struct{})
	c, _ := contend(s, func(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
		if b.Lane == 0 && strings.HasPrefix(b.Deliveries[0].ID, "freeze") {
			frozen <- struct{}{}
			<-thaw
		}
		return racer.race(ctx, b)
	})
	b := start(t, rdb, s, c)
	for _, id := range ids("freeze", 2) {
		shop.place(t, "001", id)
		<-frozen
		shop.settled(t, id) // by the other contender
	}
	// Both batches that may be out are, but of four slots two are left.
	for _, id := range ids("other", 10) {
		shop.place(t, "001", id)
		shop.settled(t, id)
	}
	// A stop waits for them.
	b.end()
	select {
	case err := <-b.ended:
		t.Fatalf("the bridge ended (%v) before the frozen contenders", err)
	case <-time.After(3 * readBlock / 2): // by then it would have, without them
	}
	close(thaw)
	b.stop(t)
	shop.empty(t)
}

// Nor does one that has the claim: its orders go on when the lease has ended.
func TestAContenderThatIsFrozenWithAClaimIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	shop := newShop(t, rdb, "main")
	s := quick()
	racer := racerOn(rdb, 300*time.Millisecond)
	thaw := make(chan struct{})
	var frozen atomic.Bool
	racer.claimed = func(_ string, won []claim.Claimed) error {
		if len(won) > 0 && frozen.CompareAndSwap(false, true) {
			<-thaw
		}
		return nil
	}
	orders := ids("order", 3)
	shop.place(t, "001", orders...) // before the start, so they are one batch
	c, seen := contend(s, racer.race)
	start(t, rdb, s, c)
	shop.settled(t, orders...)
	for _, id := range orders {
		if r := shop.record(t, id); r.Fence != 2 {
			t.Errorf("%s was settled with fence %d, want 2", id, r.Fence)
		}
	}
	close(thaw) // what it does now is lost
	shop.empty(t)
	shop.settled(t, orders...)
	if n := seen.count(); n > 6*s.Fanout {
		t.Errorf("%d invocations", n)
	}
}

func TestAnOrderThatFreezesEveryContenderBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	shop := newShop(t, rdb, "main")
	s := quick()
	s.InvokeTimeout = 3 * time.Second
	racer := racerOn(rdb, 100*time.Millisecond)
	thaw := make(chan struct{})
	racer.claimed = func(_ string, won []claim.Claimed) error {
		if slices.ContainsFunc(won, func(c claim.Claimed) bool { return c.ID == "spell" }) {
			<-thaw
		}
		return nil
	}
	c, _ := contend(s, func(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
		type answer struct {
			delivery.Answer
			error
		}
		answered := make(chan answer, 1)
		go func() {
			a, err := racer.race(context.WithoutCancel(ctx), b)
			answered <- answer{a, err}
		}()
		select {
		case a := <-answered:
			return a.Answer, a.error
		case <-ctx.Done():
			return delivery.Answer{}, ctx.Err()
		}
	})
	start(t, rdb, s, c)
	shop.place(t, "001", "spell")
	orders := ids("order", 5)
	for _, id := range orders {
		shop.place(t, "001", id)
		shop.settled(t, id)
	}
	if reasons := shop.buried(t, 1); !strings.Contains(reasons["spell"], "no answer") {
		t.Errorf("reasons: %v", reasons)
	}
	shop.empty(t)
	close(thaw)
	if got := shop.state("spell"); got != claim.Dead {
		t.Errorf("it is %s", got)
	}
}
