package memory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/claim/memory"
	"photofinish/shared/redistest"
)

// What the connection costs, without (ping) and with (order: place, claim,
// settle) what Lua costs, against the same Redis behind a TCP socket.
func Benchmark(b *testing.B) {
	for _, where := range []struct {
		name string
		open func(testing.TB) *redis.Client
	}{
		{"memory", func(t testing.TB) *redis.Client { return memory.New(t).Client() }},
		{"tcp", redistest.Embedded},
	} {
		b.Run("ping/"+where.name, func(b *testing.B) {
			rdb := where.open(b)
			for b.Loop() {
				if err := rdb.Ping(b.Context()).Err(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("order/"+where.name, func(b *testing.B) { orders(b, where.open(b)) })
	}
}

func orders(b *testing.B, rdb *redis.Client) {
	e, err := claim.Open(rdb, "main", claim.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if i%32 == 0 { // as in a unit test, not much is there
			if err := rdb.FlushAll(b.Context()).Err(); err != nil {
				b.Fatal(err)
			}
		}
		id := fmt.Sprint(i)
		if _, err := e.Place(b.Context(), claim.Placement{ID: id, Fingerprint: "f"}); err != nil {
			b.Fatal(err)
		}
		claims, err := e.Claim(b.Context(), "A", time.Minute, []claim.Delivery{{ID: id, Count: 1}})
		if err != nil {
			b.Fatal(err)
		}
		settlement := claim.Settlement{Held: claim.Held{ID: id, Fence: claims[0].Fence}, Keys: []string{"{main}:done"}}
		if _, err := e.Settle(b.Context(), "A", effect, []claim.Settlement{settlement}); err != nil {
			b.Fatal(err)
		}
	}
}
