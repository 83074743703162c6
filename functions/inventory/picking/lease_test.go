package picking

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
	"photofinish/shared/redistest"
)

func TestTheLeaseIsRenewedWhileTheWorkGoesOn(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	s := newShop(t, rdb)
	s.place(t, "29", "001")
	b := s.batch(t)
	c, out := contenderOf(t, rdb, func(s *Settings) { s.LockTTL, s.ProcessingTime = time.Second, 2500*time.Millisecond })
	rival, rivals := contenderOf(t, rdb, nil)
	answered := make(chan delivery.Answer, 1)
	begun := time.Now()
	go func() {
		a, err := c.Handle(t.Context(), b)
		if err != nil {
			t.Errorf("handle: %v", err)
		}
		answered <- a
	}()
	until(t, "the order to be claimed", func() bool { return rdb.Exists(t.Context(), s.engine.Keys().Lock("29")).Val() == 1 })
	var a delivery.Answer
	until(t, "the work to end", func() bool {
		got, err := rival.Handle(t.Context(), b)
		if err != nil || outcomes(got)["29"] == claim.Done {
			t.Fatalf("a rival meanwhile: %v, %v", got, err)
		}
		select {
		case a = <-answered:
			return true
		default:
			return false
		}
	})
	if took := time.Since(begun); outcomes(a)["29"] != claim.Done || took < 2500*time.Millisecond {
		t.Errorf("%v after %v, want it settled after the work", a.Outcomes, took)
	}
	if n := s.moved(t)["29"]; n != 1 {
		t.Errorf("%d movements, want 1", n)
	}
	if l := out.lines(t); len(l) != 1 || l[0].Fence != 1 {
		t.Errorf("the winner logged %+v", l)
	}
	busy := slices.ContainsFunc(rivals.lines(t), func(l line) bool { return l.Outcome == claim.Busy })
	if !busy {
		t.Error("the rival never found the order busy")
	}
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	server := redistest.Server(t)
	for name, lose := range map[string]func(*redistest.Link){
		"refused": (*redistest.Link).Cut,
		"silent":  (*redistest.Link).Silence,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			link := redistest.NewLink(t, server)
			rdb := redis.NewClient(&redis.Options{Addr: link.Addr, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true})
			defer rdb.Close()
			if err := rdb.Ping(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			lose(link)
			c, _ := contenderOf(t, rdb, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := c.Handle(ctx, delivery.Batch{Warehouse: "main", Deliveries: []claim.Delivery{{Entry: "1-1", ID: "29", Count: 1}}})
			if err == nil {
				t.Fatal("no error")
			}
			// The name that aws-lambda-go reports as errorType.
			if typ := reflect.TypeOf(err); typ.Kind() != reflect.Pointer || typ.Elem().Name() != delivery.UnavailableType {
				t.Errorf("error %T: %v, want the type %s", err, err, delivery.UnavailableType)
			}
			if errors.Unwrap(err) == nil || !strings.HasPrefix(err.Error(), "redis is not available: ") {
				t.Errorf("error: %v", err)
			}
			// Killed at the deadline, it could not have said so.
			if ctx.Err() != nil {
				t.Error("the answer came only after the deadline")
			}
		})
	}
}

func TestWorkBeyondTheDeadlineIsTheOrdersOwnFault(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	s := newShop(t, rdb)
	s.place(t, "29", "001")
	c, _ := contenderOf(t, rdb, func(s *Settings) { s.ProcessingTime = time.Minute })
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	_, err := c.Handle(ctx, s.batch(t))
	var unavailable *delivery.UnavailableError
	if err == nil || errors.As(err, &unavailable) || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("error %T: %v, want one that counts against the order", err, err)
	}
	if len(s.moved(t)) != 0 || s.record(t, "29").State != claim.Accepted {
		t.Errorf("something happened: %v, %+v", s.moved(t), s.record(t, "29"))
	}
}

func TestTheLeaseEndsWithTheDeadline(t *testing.T) {
	t.Parallel()
	const margin = 200 * time.Millisecond
	rdb := redistest.Server(t)
	s := newShop(t, rdb)
	s.place(t, "29", "001")
	b := s.batch(t)
	c, _ := contenderOf(t, rdb, func(s *Settings) { s.ProcessingTime = time.Minute })
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	deadline, _ := ctx.Deadline()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = c.Handle(ctx, b) // interrupted, as tested above
	}()
	looked := 0
	until(t, "the invocation to end", func() bool {
		before := time.Now()
		ttl := rdb.PTTL(ctx, s.engine.Keys().Lock("29")).Val()
		if ttl > 0 {
			looked++
			if end := before.Add(ttl); end.After(deadline.Add(margin)) {
				t.Fatalf("the lock ends %v after the deadline, want %v at most", end.Sub(deadline), margin)
			}
		}
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	if looked == 0 {
		t.Error("the lock was never seen")
	}
}
