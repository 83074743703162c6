package fanout

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"photofinish/shared/claim"
)

const (
	readBlock = time.Second // a read that finds nothing; bounds how long a stop takes
	beatEvery = 3 * time.Second
	beatTTL   = 10 * time.Second
	// consumers of bridges that were killed are removed after this time.
	forgetAfter = time.Hour
)

// lane is the part of the bridge that serves one warehouse.
type lane struct {
	engine     *claim.Engine
	queue      *claim.Queue
	settings   Settings
	contenders *contenders
	slots      *semaphore.Weighted // invocations of fresh orders, over all lanes
	again      *semaphore.Weighted // redeliveries of this lane
	log        *slog.Logger
	flights    sync.WaitGroup

	mu       sync.Mutex
	inFlight map[string]bool      // entries handed out right now
	after    map[string]time.Time // entries whose order is held until then
	suspects map[string]string    // entries whose delivery failed, and how
	failures int                  // deliveries in a row that no contender answered
	beaten   time.Time            // the last sign of life that Redis took
}

// redeliveries is how many redeliveries a lane has going at once.
const redeliveries = 4

func newLane(e *claim.Engine, consumer string, s Settings, c *contenders, slots *semaphore.Weighted, log *slog.Logger) *lane {
	return &lane{
		engine: e, queue: e.Queue(consumer), settings: s, contenders: c, slots: slots, log: log,
		again:    semaphore.NewWeighted(redeliveries),
		inFlight: map[string]bool{}, after: map[string]time.Time{}, suspects: map[string]string{},
	}
}

// run serves the warehouse until soft ends, then waits for what it has handed
// out, until hard ends.
func (l *lane) run(soft, hard context.Context) error {
	if err := l.join(soft); err != nil {
		return nil //nolint:nilerr // stopped before Redis was there
	}
	group, _ := errgroup.WithContext(soft)
	group.Go(func() error { l.readLoop(soft, hard); return nil })
	group.Go(func() error { l.redeliverLoop(soft, hard); return nil })
	group.Go(func() error { l.beatLoop(soft); return nil })
	_ = group.Wait()
	l.flights.Wait()
	// What is still pending is for another bridge to take. The Redis commands are
	// given a moment even if hard has ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(hard), LeaveTime)
	defer cancel()
	if err := l.queue.Leave(ctx); err != nil {
		l.log.Warn("consumer not removed", "error", err)
	}
	return nil
}

// join makes the group, and waits for a Redis that is not there yet.
func (l *lane) join(ctx context.Context) error {
	for n := 0; ; n++ {
		err := l.queue.Join(ctx)
		if err == nil {
			return nil
		}
		l.log.Warn("redis is not available", "error", err)
		if err := l.settings.pause(ctx, n); err != nil {
			return err
		}
	}
}

// readLoop hands out orders that were not delivered yet. It reads only when it
// could hand them out at once; meanwhile the backlog grows, and so the next
// batch: one order when idle, many under load.
func (l *lane) readLoop(soft, hard context.Context) {
	width := int64(l.settings.Fanout)
	for failed := 0; ; {
		if l.slots.Acquire(soft, width) != nil {
			return
		}
		// Not soft: what is read by the time it ends still has to be handed out.
		ds, err := l.queue.Read(hard, int64(l.settings.BatchMax), readBlock)
		if err == nil && len(ds) > 0 {
			l.handOut(hard, ds, func() { l.slots.Release(1) })
			failed = 0
			if n := l.unanswered(); n > 0 && l.settings.pause(soft, n) != nil {
				return
			}
			continue
		}
		l.slots.Release(width)
		if soft.Err() != nil {
			return
		}
		if err == nil {
			failed = 0
			continue
		}
		if claim.NoGroup(err) { // as after a FLUSHALL
			err = l.queue.Join(soft)
		}
		if err != nil {
			l.log.Warn("orders not read", "error", err)
			if l.settings.pause(soft, failed) != nil {
				return
			}
			failed++
		}
	}
}

// beatLoop says that a bridge is at work, and forgets those that are not.
func (l *lane) beatLoop(ctx context.Context) {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		if err := l.queue.Beat(ctx, beatTTL); err == nil {
			l.mu.Lock()
			l.beaten = time.Now()
			l.mu.Unlock()
		} else if ctx.Err() == nil {
			l.log.Warn("no sign of life given", "error", err)
		}
		if _, err := l.queue.Sweep(ctx, forgetAfter); err != nil && ctx.Err() == nil && !claim.NoGroup(err) {
			l.log.Warn("old consumers not removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// unanswered is how many deliveries in a row no contender answered: the function
// is throttled or broken, and more of them would not help.
func (l *lane) unanswered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failures
}
