package claim_test

import (
	"testing"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

// A server with every write on disk before it answers is killed in the midst of
// its work. Nothing that anybody was told is missing afterwards, locks live on
// with their lease, and each order ends once.
func TestAKilledServerLosesNothingThatWasAnswered(t *testing.T) {
	rdb, process := redistest.Durable(t)
	s := openShop(t, rdb)
	for kill := range 3 {
		stop := s.work(t)
		s.wait(150)
		process.Kill()
		stop()
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		told, left := s.told(), s.left(t)
		left.whole(t)
		left.has(t, told)
		for id, held := range told.held {
			if _, ok := told.settled[id]; ok {
				continue
			}
			if r := left.records[id]; r.State == claim.Settled && r.Fence == held.Fence && r.Owner == held.owner {
				continue // by this very claim, which never heard of it
			}
			if left.locks[id] != held.lock() {
				t.Errorf("kill %d: the lock of %s is %q, want the claim %s", kill, id, left.locks[id], held.lock())
			}
			if lease := rdb.PTTL(t.Context(), s.Keys().Lock(id)).Val(); lease <= 0 || lease > shopLease {
				t.Errorf("kill %d: the lock of %s has %v left of its lease of %v", kill, id, lease, shopLease)
			}
		}
		if t.Failed() {
			t.FailNow()
		}
		t.Logf("kill %d: %d orders accepted, %d settled, %d claims held, all there", kill, len(told.placed), len(told.settled), len(told.held)-len(told.settled))
	}
	s.finish(t, s.left(t))
	for id, r := range s.left(t).records {
		if r.State != claim.Settled {
			t.Errorf("order %s is %s, want settled", id, r.State)
		}
	}
}
