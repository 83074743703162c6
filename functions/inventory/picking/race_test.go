package picking

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
	"photofinish/shared/redistest"
	"photofinish/shared/stock"
)

func TestOfManyContendersOneSettlesEachOrder(t *testing.T) {
	t.Parallel()
	const contenders, orders = 8, 60
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		for i := range orders {
			s.place(t, fmt.Sprintf("order-%d", i), "001")
		}
		b := s.batch(t)
		b.Contenders = contenders
		var wg sync.WaitGroup
		start := make(chan struct{})
		all := make([]*logs, contenders)
		for lane := range contenders {
			c, out := contenderOf(t, rdb, nil)
			all[lane] = out
			wg.Go(func() {
				mine := b
				mine.Lane = lane
				<-start
				a, err := c.Handle(t.Context(), mine)
				if err != nil || len(a.Outcomes) != orders {
					t.Errorf("contender %d: %d outcomes, %v", lane, len(a.Outcomes), err)
				}
			})
		}
		close(start)
		wg.Wait()

		settled := map[string]int{}
		for lane, out := range all {
			lines := out.lines(t)
			if len(lines) != orders {
				t.Errorf("contender %d logged %d lines, want one for each of %d orders", lane, len(lines), orders)
			}
			for _, l := range lines {
				switch {
				case l.Outcome == claim.Done && l.Msg == "won" && l.Fence == 1:
					settled[l.Order]++
				case (l.Outcome == claim.Busy || l.Outcome == claim.Already) && l.Msg == "skipped" && l.Reason != "":
				default:
					t.Errorf("contender %d logged %+v", lane, l)
				}
			}
		}
		moved := s.moved(t)
		for i := range orders {
			id := fmt.Sprintf("order-%d", i)
			if settled[id] != 1 || moved[id] != 1 {
				t.Errorf("%s: settled by %d contenders and %d movements, want 1 and 1", id, settled[id], moved[id])
			}
		}
		if left, want := rdb.HGet(t.Context(), stock.Key("main"), "001").Val(), fmt.Sprint(1000-2*orders); left != want {
			t.Errorf("on hand: %s, want %s", left, want)
		}
		if n := rdb.XLen(t.Context(), s.engine.Keys().Stream()).Val(); n != 0 {
			t.Errorf("%d entries left in the stream", n)
		}
	})
}

func TestAStolenClaimDoesNothing(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		s.place(t, "29", "001")
		b := s.batch(t)
		c, _ := contenderOf(t, rdb, func(s *Settings) { s.LockTTL, s.ProcessingTime = 600*time.Millisecond, time.Minute })
		rival, _ := contenderOf(t, rdb, nil)
		answered := make(chan delivery.Answer, 1)
		go func() {
			a, err := c.Handle(t.Context(), b)
			if err != nil {
				t.Errorf("handle: %v", err)
			}
			answered <- a
		}()
		until(t, "the claim to be stolen", func() bool { return rdb.Del(t.Context(), s.engine.Keys().Lock("29")).Val() == 1 })
		a, err := rival.Handle(t.Context(), b)
		if err != nil || outcomes(a)["29"] != claim.Done {
			t.Fatalf("the rival: %v, %v", a, err)
		}
		// It notices before the rival has ended the order, or after that.
		got := (<-answered).Outcomes[0]
		if got.Outcome != claim.Lost && (got.Outcome != claim.Already || got.Owner != a.Contender || got.Fence != 2) {
			t.Errorf("the one whose claim was stolen: %+v, want lost, or already by %s", got, a.Contender)
		}
		if n := s.moved(t)["29"]; n != 1 {
			t.Errorf("%d movements, want 1", n)
		}
	})
}

func TestPoisonIsDeadAtTheLimitWithItsReason(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		if err := rdb.HSet(t.Context(), stock.Key("main"), "bad", "abc").Err(); err != nil {
			t.Fatal(err)
		}
		s.place(t, "poison", "bad")
		s.place(t, "sound", "001")
		c, out := contenderOf(t, rdb, nil)
		for try, b := 1, s.batch(t); try <= 3; try, b = try+1, s.again(t) {
			a, err := c.Handle(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			got := outcomes(a)
			if got["poison"] != claim.Failed || (try == 1) != (got["sound"] == claim.Done) {
				t.Fatalf("try %d: %v", try, got)
			}
			// Once it is dead there is nothing to deliver again.
			if want := map[bool][]string{true: nil, false: {"poison"}}[try == 3]; !slices.Equal(failed(b, a), want) {
				t.Errorf("try %d: batchItemFailures %v, want %v", try, failed(b, a), want)
			}
		}
		letters, err := s.engine.Letters(t.Context(), "", 10)
		if err != nil || len(letters) != 1 || letters[0].ID != "poison" || !strings.Contains(letters[0].Reason, "not a whole number: abc") {
			t.Errorf("dead letters: %+v, %v", letters, err)
		}
		last := out.lines(t)[len(out.lines(t))-1]
		if last.Status != claim.Dead || last.Level != "WARN" {
			t.Errorf("the last line does not say that it is dead: %+v", last)
		}
		if n := rdb.XLen(t.Context(), s.engine.Keys().Stream()).Val(); n != 0 {
			t.Errorf("%d entries left in the stream", n)
		}
	})
}

func TestAnOrderThatIsInABatchTwiceIsSettledOnce(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		s.place(t, "29", "001")
		if err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: s.engine.Keys().Stream(), Values: []string{"id", "29"}}).Err(); err != nil {
			t.Fatal(err)
		}
		b := s.batch(t)
		c, out := contenderOf(t, rdb, nil)
		a, err := c.Handle(t.Context(), b)
		if err != nil || len(a.Outcomes) != 2 {
			t.Fatalf("%+v, %v", a, err)
		}
		settled := 0
		for _, l := range out.lines(t) {
			if l.Outcome == claim.Done {
				settled++
			}
		}
		entries := map[string]bool{a.Outcomes[0].Entry: true, a.Outcomes[1].Entry: true}
		if settled != 1 || len(entries) != 2 || s.moved(t)["29"] != 1 {
			t.Errorf("%d lines say settled, outcomes %+v, %d movements", settled, a.Outcomes, s.moved(t)["29"])
		}
		// The other entry is not the order's own, and is what is left.
		if len(a.BatchItemFailures) != 1 || a.BatchItemFailures[0].ItemIdentifier != b.Deliveries[1].Entry {
			t.Errorf("batchItemFailures %v, want the second of %v", a.BatchItemFailures, b.Deliveries)
		}
	})
}
