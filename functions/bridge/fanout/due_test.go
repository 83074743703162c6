package fanout

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

func TestWhatIsDue(t *testing.T) {
	t.Parallel()
	s := quick()
	s.RedeliverAt, s.InvokeTimeout, s.BackoffBase, s.BackoffMax = time.Second, time.Minute, time.Millisecond, 4*time.Millisecond
	l := newLane(newShop(t, redistest.Embedded(t), "main").engine, "me", s, nil, nil, (&logs{}).logger())
	l.inFlight["flying"] = true
	l.after["held"] = time.Now().Add(time.Hour)
	l.after["was held"] = time.Now().Add(-time.Millisecond)
	l.suspects["suspect"] = "crashed"
	for _, tt := range []struct {
		name       string
		pending    claim.Pending
		ok         bool
		suspect    bool
		from, upto time.Duration
	}{
		{"mine, in flight", claim.Pending{Entry: "flying", Consumer: "me", Deliveries: 1}, false, false, 0, 0},
		{"mine, held by another contender", claim.Pending{Entry: "held", Consumer: "me", Deliveries: 1}, false, false, 0, 0},
		{"mine, not held any more", claim.Pending{Entry: "was held", Consumer: "me", Deliveries: 1}, true, false, 0, time.Millisecond},
		{"mine, handed back", claim.Pending{Entry: "a", Consumer: "me", Deliveries: 0}, true, false, 0, time.Millisecond},
		{"mine, failed", claim.Pending{Entry: "suspect", Consumer: "me", Deliveries: 2}, true, true, 0, 2 * time.Millisecond},
		{"mine, often", claim.Pending{Entry: "a", Consumer: "me", Deliveries: 100}, true, false, 0, 4 * time.Millisecond},
		{"another's", claim.Pending{Entry: "a", Consumer: "you", Deliveries: 1}, true, false, time.Second, time.Second + time.Millisecond},
		{"another's by now", claim.Pending{Entry: "suspect", Consumer: "you", Deliveries: 2}, true, true, time.Second, time.Second + 2*time.Millisecond},
		{"another's last try", claim.Pending{Entry: "a", Consumer: "you", Deliveries: 3}, true, false, time.Minute, time.Minute + 4*time.Millisecond},
	} {
		idle, suspect, ok := l.due(tt.pending)
		if ok != tt.ok || suspect != tt.suspect || idle < tt.from || idle > tt.upto {
			t.Errorf("%s: due after %v, suspect %v, %v, want %v to %v, %v, %v", tt.name, idle, suspect, ok, tt.from, tt.upto, tt.suspect, tt.ok)
		}
	}
}

func TestNotesAreBounded(t *testing.T) {
	t.Parallel()
	l := newLane(newShop(t, redistest.Embedded(t), "main").engine, "me", quick(), nil, nil, (&logs{}).logger())
	rapidEntry := func(i int) string { return time.UnixMilli(int64(i)).String() }
	for i := range maxNotes + 10 {
		l.suspect(rapidEntry(i), "failed")
		l.postpone(rapidEntry(i), time.Hour)
	}
	if len(l.suspects) != 10 || len(l.after) != 10 {
		t.Errorf("%d suspects and %d held, want those since it was full", len(l.suspects), len(l.after))
	}
	l.forget(rapidEntry(maxNotes))
	if len(l.suspects) != 9 || len(l.after) != 9 {
		t.Errorf("%d suspects and %d held after one was forgotten", len(l.suspects), len(l.after))
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "base"))
		limit := base + time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, "limit"))
		n := rapid.IntRange(-1, 1_000_000).Draw(t, "n")
		got := backoff(base, limit, n)
		if got < base || got > limit || backoff(base, limit, n+1) < got {
			t.Fatalf("backoff(%v, %v, %d) = %v, then %v", base, limit, n, got, backoff(base, limit, n+1))
		}
		entry, deliveries := rapid.String().Draw(t, "entry"), rapid.Int64().Draw(t, "deliveries")
		j := jittered(entry, deliveries, limit)
		if j < 0 || j > limit || j != jittered(entry, deliveries, limit) {
			t.Fatalf("jittered up to %v: %v, then %v", limit, j, jittered(entry, deliveries, limit))
		}
	})
}
