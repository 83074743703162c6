package fanout

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/redistest"
)

func TestAFlushIsSurvived(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		s := quick()
		c, _ := contend(s, shop.racer().race)
		start(t, rdb, s, c)
		shop.place(t, "001", "before")
		shop.settled(t, "before")
		for round := range 3 {
			if err := rdb.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			shop.fill(t)
			after := ids(fmt.Sprint("after-", round), 5)
			shop.place(t, "001", after...)
			shop.settled(t, after...)
			shop.empty(t)
		}
	})
}

func TestRedisGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	server := redistest.Server(t)
	link := redistest.NewLink(t, server)
	rdb := redis.NewClient(&redis.Options{Addr: link.Addr, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = rdb.Close() })
	shop := newShop(t, server, "main")
	s := quick()
	c, _ := contend(s, racerOn(rdb, 300*time.Millisecond).race) // the contenders lose it as well
	b := start(t, rdb, s, c)
	for round := range 3 {
		before, during := ids(fmt.Sprint("before-", round), 50), ids(fmt.Sprint("during-", round), 50)
		shop.place(t, "001", before...) // some are in hand when it goes
		link.Cut()
		warned := len(b.log.lines(t, "orders not read"))
		until(t, "the bridge to notice", func() bool { return len(b.log.lines(t, "orders not read")) > warned })
		shop.place(t, "001", during...)
		link.Mend(t)
		shop.settled(t, before...)
		shop.settled(t, during...)
	}
	shop.empty(t)
	if letters := shop.buried(t, 0); len(letters) != 0 {
		t.Errorf("dead letters: %v", letters)
	}
}

func TestRedisThatIsAwayAtTheStartIsWaitedFor(t *testing.T) {
	t.Parallel()
	server := redistest.Server(t)
	link := redistest.NewLink(t, server)
	link.Cut()
	rdb := redis.NewClient(&redis.Options{Addr: link.Addr, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = rdb.Close() })
	shop := newShop(t, server, "main")
	s := quick()
	c, _ := contend(s, shop.racer().race)
	shop.place(t, "001", "29")
	b := start(t, rdb, s, c)
	until(t, "the bridge to notice", func() bool { return len(b.log.lines(t, "redis is not available")) > 1 })
	link.Mend(t)
	shop.settled(t, "29")

	// One that is stopped meanwhile just ends.
	link.Cut()
	idle := start(t, rdb, s, c)
	until(t, "the second to notice", func() bool { return len(idle.log.lines(t, "redis is not available")) > 0 })
	idle.stop(t)
	link.Mend(t)
}
