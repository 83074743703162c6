package console

import "time"

// SetStall sets how long a subscriber may leave a write waiting.
func (c *Console) SetStall(d time.Duration) { c.stall = d }

// Watched is the number of subscribers.
func (c *Console) Watched() int { return int(c.watched.Load()) }
