package claim

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// end is how a key has ended. It never changes, so it can be kept.
type end struct {
	fingerprint string
	state       State
	result      string
	fence       int64
	owner       string
}

// cache remembers ends inside the process, until their records expire in Redis.
// The expirable one of the same library has one time for all, and a goroutine
// that never ends.
type cache struct {
	ends *lru.Cache[string, remembered] // nil: nothing is remembered
}

type remembered struct {
	end
	until time.Time
}

func newCache(size int) (*cache, error) {
	if size == 0 {
		return &cache{}, nil
	}
	ends, err := lru.New[string, remembered](size)
	return &cache{ends}, err
}

func (c *cache) add(id string, e end, until time.Time) {
	if c.ends != nil {
		c.ends.Add(id, remembered{e, until})
	}
}

func (c *cache) get(id string, now time.Time) (end, bool) {
	if c.ends == nil {
		return end{}, false
	}
	r, ok := c.ends.Get(id)
	if ok && !now.Before(r.until) {
		c.ends.Remove(id)
		return end{}, false
	}
	return r.end, ok
}

// wallClock is the time without Go's monotonic reading, which stands still while
// Lambda has the environment frozen.
func wallClock() time.Time { return time.Now().Round(0) }
