package claim_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
)

// shop places, claims and settles orders on a Redis that fails, and knows what it
// was told. Afterwards it looks at what is left.
type shop struct {
	*claim.Engine
	rdb *redis.Client

	mu      sync.Mutex
	answers answers
	noted   chan struct{} // one for each answer
	workers int           // that were started, for their names
}

// shopLease is long: nobody's claim ends by itself.
const shopLease = time.Minute

// answers are what the workers were told, by order.
type answers struct {
	placed  map[string]bool
	held    map[string]holding
	settled map[string]holding
}

// holding is a claim that was won.
type holding struct {
	claim.Held
	owner string
}

func (h holding) lock() string { return fmt.Sprintf("%d:%s", h.Fence, h.owner) }

// sell is the effect: it counts, and writes down for whom.
var sell = claim.NewEffect("sell", `
	redis.call('RPUSH', KEYS[2], order.id .. ' ' .. order.fence .. ':' .. order.owner)
	redis.call('INCR', KEYS[1])
	return 'settled'`)

func openShop(t *testing.T, rdb *redis.Client) *shop {
	t.Helper()
	e, err := claim.Open(rdb, "main", claim.Options{MaxDeliveries: 100})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Queue("first").Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &shop{Engine: e, rdb: rdb, noted: make(chan struct{}, 1<<16), answers: answers{
		placed: map[string]bool{}, held: map[string]holding{}, settled: map[string]holding{},
	}}
}

func (s *shop) sold() string    { return "{main}:sold" }
func (s *shop) effects() string { return "{main}:effects" }

func (s *shop) note(what func(a *answers)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what(&s.answers)
	s.noted <- struct{}{}
}

// wait returns after so many answers more.
func (s *shop) wait(n int) {
	for len(s.noted) > 0 {
		<-s.noted
	}
	for range n {
		<-s.noted
	}
}

// told is all that the workers were told by now.
func (s *shop) told() answers {
	s.mu.Lock()
	defer s.mu.Unlock()
	return answers{maps.Clone(s.answers.placed), maps.Clone(s.answers.held), maps.Clone(s.answers.settled)}
}

// work has four workers at work until Redis fails or they are stopped.
func (s *shop) work(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 4 {
		name := fmt.Sprintf("w%d", s.workers)
		s.workers++
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := s.step(ctx, name, n); err != nil {
					if ctx.Err() == nil && !claim.Unavailable(err) {
						t.Errorf("%s: %v, want no error, or one after which the call may be repeated", name, err)
					}
					return
				}
			}
		})
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// step places an order, and processes one of those that wait. Some are placed
// only, and of some the claim is kept, as by a contender that is frozen.
func (s *shop) step(ctx context.Context, worker string, n int) error {
	id := fmt.Sprintf("%s-%d", worker, n)
	if _, err := s.Place(ctx, claim.Placement{ID: id, Fingerprint: "f", Message: []byte("message of " + id)}); err != nil {
		return err
	}
	s.note(func(a *answers) { a.placed[id] = true })
	if n%7 == 6 {
		return nil
	}
	ds, err := s.Queue(worker).Read(ctx, 1, -1)
	if err != nil || len(ds) == 0 {
		return err
	}
	owner := fmt.Sprintf("%s.%d", worker, n)
	claims, err := s.Claim(ctx, owner, shopLease, ds)
	if err != nil || claims[0].Outcome != claim.Won {
		return err
	}
	h := holding{claim.Held{ID: ds[0].ID, Fence: claims[0].Fence}, owner}
	s.note(func(a *answers) { a.held[h.ID] = h })
	if n%5 == 4 {
		return nil
	}
	ends, err := s.Settle(ctx, owner, sell, []claim.Settlement{s.settlement(h.Held)})
	if err != nil || ends[0].Outcome != claim.Done {
		return err
	}
	s.note(func(a *answers) { a.settled[h.ID] = h })
	return nil
}

func (s *shop) settlement(h claim.Held) claim.Settlement {
	return claim.Settlement{Held: h, Keys: []string{s.sold(), s.effects()}}
}

func (s *shop) place(t *testing.T, id string) claim.Placing {
	t.Helper()
	p, err := s.Place(t.Context(), claim.Placement{ID: id, Fingerprint: "f", Message: []byte("message of " + id)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *shop) claim(t *testing.T, owner, id string) claim.Claimed {
	t.Helper()
	cs, err := s.Claim(t.Context(), owner, shopLease, []claim.Delivery{{ID: id, Count: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return cs[0]
}

func (s *shop) settle(t *testing.T, owner string, h claim.Held) claim.Ended {
	t.Helper()
	ends, err := s.Settle(t.Context(), owner, sell, []claim.Settlement{s.settlement(h)})
	if err != nil {
		t.Fatal(err)
	}
	return ends[0]
}

// finish goes on where the failure was: holders of before settle late, whoever
// placed an order places it again, and a new contender ends what is open. Then
// each order has ended, by exactly one effect.
func (s *shop) finish(t *testing.T, left *remains) {
	t.Helper()
	told := s.told()
	for id, h := range told.held {
		want := claim.Lost
		switch r, ok := left.records[id]; {
		case !ok:
			want = claim.NoOrder
		case left.locks[id] == h.lock(), r.State == claim.Settled && r.Fence == h.Fence && r.Owner == h.owner:
			want = claim.Done
		case r.State == claim.Settled:
			want = claim.Already
		}
		if got := s.settle(t, h.owner, h.Held); got.Outcome != want {
			t.Errorf("%s settles after the failure: %+v, want %s: on record is %+v, the lock is %q", h.lock(), got, want, left.records[id], left.locks[id])
		}
	}
	for id := range told.placed {
		p, want := s.place(t, id), claim.Placed
		if _, ok := left.records[id]; ok {
			want = claim.Replayed
		}
		if p.Verdict != want {
			t.Errorf("%s placed again: %+v, want %s", id, p, want)
		}
	}
	s.drain(t)
	end := s.left(t)
	end.whole(t)
	for id := range told.placed {
		if n := len(end.effects[id]); n != 1 {
			t.Errorf("order %s has %d effects in the end: %v", id, n, end.effects[id])
		}
	}
	if len(end.entries)+len(end.pending)+len(end.locks) > 0 {
		t.Errorf("in the end there are %d entries, %d pending and %d locks", len(end.entries), len(end.pending), len(end.locks))
	}
}

// drain ends all that is open, as a contender of its own.
func (s *shop) drain(t *testing.T) {
	t.Helper()
	ctx, queue := t.Context(), s.Queue("heir")
	ds, err := queue.Read(ctx, 10000, -1)
	if err != nil {
		t.Fatal(err)
	}
	pending, err := queue.Pending(ctx, 0, "", 10000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range pending {
		pending[i].Idle = 0
	}
	again, err := queue.Take(ctx, pending)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range append(ds, again...) {
		c := s.claim(t, "heir", d.ID)
		if c.Outcome == claim.Busy { // of one who never learned that it had won: time would end that
			if err := s.rdb.Del(ctx, s.Keys().Lock(d.ID)).Err(); err != nil {
				t.Fatal(err)
			}
			c = s.claim(t, "heir", d.ID)
		}
		if c.Outcome == claim.Won {
			s.settle(t, "heir", claim.Held{ID: d.ID, Fence: c.Fence})
		}
	}
}
