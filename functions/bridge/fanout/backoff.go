package fanout

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// pause waits a time that grows with n, with full jitter.
func (s Settings) pause(ctx context.Context, n int) error {
	jitter := s.Jitter
	if jitter == nil {
		jitter = rand.N[time.Duration]
	}
	limit := backoff(100*time.Millisecond, 5*time.Second, n)
	timer := time.NewTimer(jitter(limit) + time.Millisecond)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// backoff doubles base n times, up to limit.
func backoff(base, limit time.Duration, n int) time.Duration {
	for ; n > 0 && base < limit; n-- {
		base *= 2
	}
	return min(base, limit)
}

// jittered is a time up to limit, full jitter, the same whenever the
// same delivery is looked at.
func jittered(entry string, deliveries int64, limit time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s/%d", entry, deliveries) // never fails
	share := float64(h.Sum64()>>11) / (1 << 53)
	return time.Duration(share * float64(limit))
}
