package console

import (
	"bytes"
	"context"
	"encoding/json"
	"time"
)

// snapshot is the state at some time, encoded. Another is made only when
// something has changed.
type snapshot struct{ data []byte }

// watch keeps the snapshot up to date while there are subscribers.
func (c *Console) watch() {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
		}
		if c.watched.Load() > 0 {
			c.refresh()
		}
	}
}

// refresh reads Redis, unless that was done just now, and returns the snapshot
// that is current then.
func (c *Console) refresh() *snapshot {
	c.reading.Lock()
	defer c.reading.Unlock()
	if last := c.current.Load(); last != nil && time.Since(c.readAt) < freshFor {
		return last
	}
	c.readAt = time.Now()
	ctx, cancel := context.WithTimeout(c.ctx, pollTimeout)
	defer cancel()
	if v, err := c.read(ctx); err == nil {
		c.seen = v
	} else if c.ctx.Err() == nil {
		if c.seen.failure == "" {
			c.log.Warn("console: redis is not available", "error", err)
		}
		c.seen.failure = cut(err.Error(), maxReason)
	}
	// What the contenders say is shown even when Redis is away.
	if c.seen.failure != "" {
		c.seen.orders = newest(append(c.seen.orders, c.races.latest(maxOrders)...))
	}
	data, err := json.Marshal(c.state(c.seen))
	if err != nil {
		c.log.Error("console: the state cannot be encoded", "error", err)
		data = []byte("{}")
	}
	if last := c.current.Load(); last != nil && bytes.Equal(last.data, data) {
		return last
	}
	next := &snapshot{data}
	c.current.Store(next)
	return next
}
