package simulate

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/order"
)

// clientProcess places one order until it has an answer, as the order function
// does for a client that repeats its request.
type clientProcess struct {
	actor  *actor
	order  Order // as this one places it
	post   Post
	answer claim.Placing
	done   bool
}

const attempts = 6

func (w *world) startClient(o Order, n int, p Post) {
	c := &clientProcess{actor: w.actor(fmt.Sprintf("%s/%d", o.ID, n+1), client), order: o, post: p}
	if p.Other {
		c.order.Items = []order.Item{{SKU: "001", Quantity: 100}}
	}
	w.posts = append(w.posts, c)
	w.later(p.After, "client "+c.actor.name, func() {
		w.wg.Go(func() {
			rdb := w.client(c.actor)
			defer rdb.Close()
			answer, err := w.place(c, rdb)
			w.post(&op{actor: c.actor, kind: act, key: "done", do: func() {
				c.answer, c.done, w.settled = answer, true, true
				if err != nil {
					w.problem("client %s: %v", c.actor.name, err)
				}
			}})
		})
	})
}

// place returns nothing if no attempt had an answer.
func (w *world) place(c *clientProcess, rdb *redis.Client) (claim.Placing, error) {
	if c.post.Foreign {
		// Pub/Sub: nobody learns whether anybody heard it. It is not repeated, since
		// who publishes cannot know that it has to be.
		_ = rdb.Publish(w.root, channel, c.order.Announcement()).Err()
		return claim.Placing{}, nil
	}
	e, err := claim.Open(rdb, warehouse, claim.Options{})
	if err != nil {
		return claim.Placing{}, err
	}
	p := claim.Placement{
		ID: c.order.ID, Fingerprint: c.order.Fingerprint(), Message: c.order.Message(),
		Channel: channel, Announcement: c.order.Announcement(),
	}
	if c.order.Kind == Garbled && !c.post.Other {
		p.Message = []byte("garbled")
	}
	for n := range attempts {
		ctx, cancel := context.WithTimeout(w.root, 5*time.Second)
		placed, err := e.Place(ctx, p)
		cancel()
		if err == nil {
			return placed, nil
		}
		if !claim.Unavailable(err) {
			return claim.Placing{}, err
		}
		time.Sleep(time.Duration(100*(n+1)) * time.Millisecond)
	}
	return claim.Placing{}, nil
}
