package fanout

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

func TestWhatIsHeardWhileRedisIsAwayIsPlacedLater(t *testing.T) {
	t.Parallel()
	server := redistest.Server(t)
	link := redistest.NewLink(t, server)
	writes := redis.NewClient(&redis.Options{Addr: link.Addr, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = writes.Close() })
	shop := newShop(t, server, "main")
	message := func(id string) string { return `{"orderId":"` + id + `","items":[{"id":"001","quantity":1}]}` }
	waiting := func(l *listener, n int) {
		t.Helper()
		until(t, "the bridge to notice", func() bool { return len(l.log.lines(t, "messages not placed yet")) >= n })
	}

	l := admit(t, server, writes, "main")
	link.Cut()
	for _, id := range ids("order", 20) {
		publish(t, server, message(id))
	}
	waiting(l, 4)
	link.Mend(t)
	until(t, "all to be placed", func() bool { return len(shop.backlog(t)) == 20 })

	// A stop does not give up what was heard.
	link.Cut()
	publish(t, server, message("late"))
	seen := len(l.log.lines(t, "messages not placed yet"))
	waiting(l, seen+1)
	l.stop()
	waiting(l, seen+3)
	link.Mend(t)
	l.end(t)
	if shop.state("late") != claim.Accepted {
		t.Error("what was heard before the stop was not placed")
	}

	// But there is an end to that, and it is said what was lost.
	l = admit(t, server, writes, "main")
	link.Cut()
	publish(t, server, message("lost"))
	waiting(l, 1)
	l.stop()
	waiting(l, 3)
	l.kill()
	l.end(t)
	lost := l.log.lines(t, "messages lost: redis stayed away until the end")
	if len(lost) != 1 || lost[0]["first"] != "lost" || lost[0]["messages"] != 1.0 {
		t.Errorf("logged: %v", lost)
	}
	link.Mend(t)
}

// A connection that was cut off on the way, without either end being told, just
// goes silent.
func TestAListenerThatIsCutOffListensAnew(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*redistest.Link){
		"silenced": (*redistest.Link).Silence,
		"cut":      func(l *redistest.Link) { l.Cut(); l.Mend(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Server(t)
			link := redistest.NewLink(t, server)
			listens := redis.NewClient(&redis.Options{Addr: link.Addr, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true})
			t.Cleanup(func() { _ = listens.Close() })
			shop := newShop(t, server, "main")
			l := admit(t, listens, server, "main")
			lose(link)
			until(t, "the bridge to hear again", func() bool { return len(l.log.lines(t, "channel heard")) > 1 })
			publish(t, server, `{"orderId":"29","items":[{"id":"001","quantity":1}]}`)
			until(t, "the order to be placed", func() bool { return shop.state("29") == claim.Accepted })
			if len(l.log.lines(t, "channel not heard")) == 0 {
				t.Error("nothing was logged")
			}
		})
	}
}
