package claim_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/claim/claimtest"
	"photofinish/shared/redistest"
)

// The suite runs while the primary dies again and again under its client, each
// time with a replica that has everything: the engine needs nothing that a
// replica does not get, such as the scripts, and no step of a case notices.
func TestConformanceUnderFailover(t *testing.T) {
	rdb, pair := redistest.Pair(t)
	f := &failovers{rdb: rdb, pair: pair}
	rdb.AddHook(hook{f.command})
	cases := claimtest.Cases()
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { c.Run(t, rdb, claim.Open) })
	}
	if f.err != nil {
		t.Fatalf("fail over: %v", f.err)
	}
	t.Logf("%d commands under %d failovers; %d put off for a subscriber, who would have missed what was published", f.commands, f.done, f.putOff)
	if f.done < f.commands/(2*failoverEvery) {
		t.Errorf("%d failovers in %d cases and %d commands", f.done, len(cases), f.commands)
	}
}

// failoverEvery is after how many commands the primary dies.
const failoverEvery = 20

// failovers kills the primary before a command, when no other is on its way.
type failovers struct {
	rdb  *redis.Client
	pair *redistest.Replication

	mu                     sync.Mutex
	commands, done, putOff int
	since, present         int
	err                    error
}

func (f *failovers) command(next func() error, cmds []redis.Cmder) error {
	if cmds[0].Name() == "hello" { // of a new connection
		return next()
	}
	f.mu.Lock()
	if f.present == 0 && f.since >= failoverEvery && cmds[0].Name() != "wait" && f.err == nil {
		f.failover(context.Background())
	}
	f.commands++
	f.since++
	f.present++
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.present--
	}()
	return next()
}

func (f *failovers) failover(ctx context.Context) {
	listened, err := f.pair.Subscribed(ctx)
	if listened {
		f.putOff++
		return
	}
	for _, step := range []func(context.Context) error{f.pair.Sync, f.pair.Failover, f.pair.AddReplica} {
		if err == nil {
			err = step(ctx)
		}
	}
	f.err = err
	f.done++
	f.since = 0
}

// A failover of asynchronous replication loses what the replica did not get. What
// it loses it loses whole: of no order there is a part without the rest, wherever
// the stream to the replica was cut, and work that goes on afterwards ends each
// order once.
func TestAFailoverLosesOrdersWholeOrNotAtAll(t *testing.T) {
	for _, lag := range []struct {
		name   string
		rounds int
		cut    func() int64 // the stream, after so many bytes; negative: not at all
	}{
		{"a replica that keeps up", 2, func() int64 { return -1 }},
		{"a replica cut off some time before", 6, func() int64 { return rand.Int64N(4000) }},
	} {
		t.Run(lag.name, func(t *testing.T) {
			var sum losses
			for range lag.rounds {
				cut := lag.cut()
				sum.add(failOver(t, cut))
				if cut >= 0 && sum.vanished == 0 {
					t.Errorf("without what came after %d bytes there is still all", cut)
				}
				if t.Failed() {
					t.Fatalf("the stream was cut after %d bytes", cut)
				}
			}
			t.Logf("%d failovers: of %d orders accepted %d vanished, each whole; of %d settled %d were settled no longer",
				lag.rounds, sum.accepted, sum.vanished, sum.settled, sum.undone)
		})
	}
}

// losses are what a failover took from those who had been given an answer.
type losses struct{ accepted, vanished, settled, undone int }

func (l *losses) add(o losses) {
	l.accepted, l.vanished = l.accepted+o.accepted, l.vanished+o.vanished
	l.settled, l.undone = l.settled+o.settled, l.undone+o.undone
}

func failOver(t *testing.T, cut int64) losses {
	t.Helper()
	rdb, pair := redistest.Pair(t)
	s := openShop(t, rdb)
	stop := s.work(t)
	s.wait(100)
	synced := s.told()
	if err := pair.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if cut >= 0 {
		pair.PauseAfter(cut)
	}
	s.wait(100)
	before := s.told()
	if err := pair.Failover(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()

	left := s.left(t)
	left.whole(t)
	left.has(t, synced)
	lost := losses{accepted: len(before.placed), settled: len(before.settled)}
	for id := range before.placed {
		if _, ok := left.records[id]; !ok {
			lost.vanished++
		}
	}
	for id, h := range before.settled {
		if r := left.records[id]; r.State != claim.Settled || r.Owner != h.owner {
			lost.undone++
		}
	}
	s.finish(t, left)
	return lost
}

// A claim that the replica did not get is forgotten, and its fence is given out
// again. The lock's value has the owner in it as well, so only one of both settles.
func TestAFenceGivenOutTwiceSettlesOnce(t *testing.T) {
	ctx := t.Context()
	rdb, pair := redistest.Pair(t)
	s := openShop(t, rdb)
	s.place(t, "29")
	if err := pair.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	pair.Pause()
	before := s.claim(t, "before", "29")
	if err := pair.Failover(ctx); err != nil {
		t.Fatal(err)
	}
	after := s.claim(t, "after", "29")
	if before.Outcome != claim.Won || after.Outcome != claim.Won || before.Fence != after.Fence {
		t.Fatalf("claims before and after the failover: %+v, %+v, want both won with one fence", before, after)
	}
	for _, c := range []struct {
		owner string
		want  claim.Outcome
	}{{"before", claim.Lost}, {"after", claim.Done}, {"before", claim.Already}, {"after", claim.Done}} {
		if got := s.settle(t, c.owner, claim.Held{ID: "29", Fence: before.Fence}); got.Outcome != c.want {
			t.Errorf("settle by the owner from %s the failover: %+v, want %s", c.owner, got, c.want)
		}
	}
	s.left(t).whole(t)
	if n := rdb.LLen(ctx, s.effects()).Val(); n != 1 {
		t.Errorf("%d effects", n)
	}
}

// A holder from before a failover keeps its claim, with what was left of its
// lease, if the replica had it.
func TestALockSurvivesAFailoverWithItsLease(t *testing.T) {
	ctx := t.Context()
	rdb, pair := redistest.Pair(t)
	s := openShop(t, rdb)
	s.place(t, "29")
	c := s.claim(t, "A", "29")
	if err := pair.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	if err := pair.Failover(ctx); err != nil {
		t.Fatal(err)
	}
	if left := rdb.PTTL(ctx, s.Keys().Lock("29")).Val(); left <= 0 || left > shopLease {
		t.Errorf("the lock has %v left of its lease of %v", left, shopLease)
	}
	if got := s.claim(t, "B", "29"); got.Outcome != claim.Busy || got.Left <= 0 || got.Left > time.Minute {
		t.Errorf("a claim by another: %+v, want busy", got)
	}
	if got := s.settle(t, "A", claim.Held{ID: "29", Fence: c.Fence}); got.Outcome != claim.Done {
		t.Errorf("settle by the holder: %+v, want settled", got)
	}
	s.left(t).whole(t)
}
