package claim_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

func TestALeaseEndsWithTheInvocationThatItIsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct{ left, limit, want time.Duration }{
			{0, 5 * time.Second, 5 * time.Second}, // no deadline
			{time.Minute, 5 * time.Second, 5 * time.Second},
			{time.Second, 5 * time.Second, 1200 * time.Millisecond},
			{-time.Second, 5 * time.Second, 200 * time.Millisecond},
			{time.Minute, 100 * time.Millisecond, 100 * time.Millisecond},
		} {
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if c.left != 0 {
				ctx, cancel = context.WithTimeout(ctx, c.left)
			}
			if got := claim.LeaseFor(ctx, c.limit); got != c.want {
				t.Errorf("%v left and a limit of %v: a lease of %v, want %v", c.left, c.limit, got, c.want)
			}
			cancel()
		}
	})
}

// Work under Keep outlives its first lease, and ends when the claim is lost.
func TestKeepRenewsUntilTheClaimIsLost(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb := redistest.Server(t)
	e, err := claim.Open(rdb, "main", claim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Place(ctx, claim.Placement{ID: "29", Fingerprint: "f"}); err != nil {
		t.Fatal(err)
	}
	const lease = time.Second // long enough for a busy machine to renew in time
	claims, err := e.Claim(ctx, "A", lease, []claim.Delivery{{ID: "29", Count: 1}})
	if err != nil {
		t.Fatal(err)
	}
	work, stop := e.Keep(ctx, "A", lease, []claim.Held{{ID: "29", Fence: claims[0].Fence}}, slog.New(slog.DiscardHandler))
	defer stop()
	for start := time.Now(); time.Since(start) < 2*lease; {
		if n, err := rdb.Exists(ctx, e.Keys().Lock("29")).Result(); err != nil || n != 1 || work.Err() != nil {
			t.Fatalf("after %v the lock is gone: %d, %v, %v", time.Since(start), n, err, context.Cause(work))
		}
	}
	if err := rdb.Set(ctx, e.Keys().Lock("29"), "2:B", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-work.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the work goes on although the claim is another's")
	}
	if cause := context.Cause(work); !errors.Is(cause, claim.ErrLost) {
		t.Errorf("the work ended for %v, want ErrLost", cause)
	}
}
