package claim_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

// A crash leaves the lock behind until its lease ends: here it ends at once.
func TestAfterACrashTheEndOfTheLeaseFreesTheKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *claim.Engine, rdb *redis.Client) {
		var s till
		h := payer(t, e, payOptions{}, s.pay)
		crashed := make(chan int64, 1)
		stuck := make(chan struct{})
		var wg sync.WaitGroup
		defer wg.Wait()
		defer close(stuck)
		wg.Go(func() {
			_, err := payer(t, e, payOptions{}, func(ctx context.Context, _ payment) (receipt, error) {
				c, _ := claim.FromContext(ctx)
				crashed <- c.Fence
				<-stuck
				return receipt{}, nil
			})(context.Background(), payment{ID: "29", Amount: 5})
			lost := want[*claim.LostError](t, err)
			if !errors.Is(err, claim.ErrLost) || lost.By == "" || claim.Unavailable(err) {
				t.Errorf("%v, want that it is lost and who ended it", err)
			}
		})
		fence := <-crashed
		_, err := h(t.Context(), payment{ID: "29", Amount: 5})
		_ = want[*claim.InProgressError](t, err)
		if err := rdb.Del(t.Context(), e.Keys().Lock("pay:29")).Err(); err != nil {
			t.Fatal(err)
		}
		r, err := h(t.Context(), payment{ID: "29", Amount: 5})
		if err != nil || r.Fence <= fence {
			t.Errorf("%+v, %v, want a fence above %d", r, err, fence)
		}
		s.worked(t, 1)
	})
}

// A successor is at work, and has not ended: what the late one has to say must
// not be recorded, and its successor's record must stay.
func TestOneThatLostItsClaimRecordsNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *claim.Engine, rdb *redis.Client) {
		var next claim.Begun
		lose := func(ctx context.Context, _ payment) error {
			if err := rdb.Del(ctx, e.Keys().Lock("pay:29")).Err(); err != nil {
				return err
			}
			r, _, err := e.Lookup(ctx, "pay:29")
			if err != nil {
				return err
			}
			next, err = e.Begin(ctx, "pay:29", r.Fingerprint, "successor", time.Minute)
			return err
		}
		for name, end := range map[string]func() (receipt, error){
			"a response": func() (receipt, error) { return receipt{Paid: 1}, nil },
			"an error":   func() (receipt, error) { return receipt{}, errDeclined },
		} {
			h := payer(t, e, payOptions{}, func(ctx context.Context, p payment) (receipt, error) {
				if err := lose(ctx, p); err != nil {
					t.Error(err)
				}
				return end()
			})
			_, err := h(t.Context(), payment{ID: "29", Amount: 5})
			if err == nil {
				t.Errorf("%s of one that lost its claim comes back without an error", name)
			}
			if name == "a response" {
				_ = want[*claim.LostError](t, err)
			}
			if held := rdb.Get(t.Context(), e.Keys().Lock("pay:29")).Val(); held != fmt.Sprintf("%d:successor", next.Fence) {
				t.Errorf("after %s the lock is %q, want the successor's", name, held)
			}
			r, _, err := e.Lookup(t.Context(), "pay:29")
			if err != nil || r.State != claim.Accepted || r.Result != "" || r.Fingerprint == "" || r.Owner != "successor" {
				t.Errorf("after %s the record is %+v, %v, want the successor's", name, r, err)
			}
			if err := rdb.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestTheClaimIsRenewedWhileTheHandlerRunsAndItsContextEndsWhenItIsLost(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	e := plainEngine(t, rdb)
	const lease = time.Second // long enough for a busy machine to renew in time
	h := payer(t, e, payOptions{Lease: lease}, func(ctx context.Context, _ payment) (receipt, error) {
		for start := time.Now(); time.Since(start) < 2*lease; {
			if n, err := rdb.Exists(ctx, e.Keys().Lock("pay:29")).Result(); err != nil || n != 1 {
				t.Errorf("after %v the lock is gone: %d, %v", time.Since(start), n, err)
				break
			}
		}
		if err := rdb.Set(ctx, e.Keys().Lock("pay:29"), "1:B", time.Minute).Err(); err != nil {
			t.Error(err)
		}
		select {
		case <-ctx.Done():
			return receipt{}, ctx.Err()
		case <-time.After(30 * time.Second):
			t.Error("the work goes on although the claim is another's")
			return receipt{}, nil
		}
	})
	_, err := h(t.Context(), payment{ID: "29"})
	if lost := want[*claim.LostError](t, err); !errors.Is(err, context.Canceled) || lost.Claim.ID != "pay:29" {
		t.Errorf("%v, want the key, and what the handler returned", err)
	}
}

func TestTheLeaseFollowsTheDeadlineAndTheSettings(t *testing.T) {
	t.Parallel()
	rdb := redistest.Embedded(t)
	e := plainEngine(t, rdb)
	for i, c := range []struct{ deadline, lease, least, most time.Duration }{
		{0, 0, 50 * time.Second, claim.DefaultLease},
		{0, 10 * time.Minute, 9 * time.Minute, 10 * time.Minute},
		{5 * time.Minute, 0, 4 * time.Minute, 5*time.Minute + time.Second},
		{5 * time.Minute, 2 * time.Minute, time.Minute, 2 * time.Minute},
		{5 * time.Minute, time.Hour, 4 * time.Minute, 5*time.Minute + time.Second},
		{24 * time.Hour, 0, 14 * time.Minute, 16 * time.Minute},
	} {
		ctx := t.Context()
		if c.deadline > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, c.deadline)
			defer cancel()
		}
		id := fmt.Sprint(i)
		h := payer(t, e, payOptions{Lease: c.lease}, func(ctx context.Context, _ payment) (receipt, error) {
			if left := rdb.PTTL(ctx, e.Keys().Lock("pay:"+id)).Val(); left < c.least || left > c.most {
				t.Errorf("%+v: a lease of %v", c, left)
			}
			return receipt{}, nil
		})
		if _, err := h(ctx, payment{ID: id}); err != nil {
			t.Error(err)
		}
	}
}
