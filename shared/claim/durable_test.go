package claim_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

// With a replica to wait for, a step that did not reach it is told as such, can be
// repeated, and succeeds once it has. What it answered before a failover is there
// after it.
func TestStepsWaitForReplicas(t *testing.T) {
	rdb, pair := redistest.Pair(t)
	e, err := claim.Open(rdb, "main", claim.Options{Replicas: 1, ReplicaTimeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	order := claim.Placement{ID: "29", Fingerprint: "f", Message: []byte("m")}
	few := (*claim.TooFewReplicasError)(nil)

	// The first call is also the one by which Redis learns the script.
	if p, err := e.Place(ctx, order); err != nil || p.Verdict != claim.Placed && p.Verdict != claim.Replayed {
		t.Fatalf("place: %+v, %v", p, err)
	}

	pair.Pause()
	_, err = e.Place(ctx, claim.Placement{ID: "30", Fingerprint: "f", Message: []byte("m")})
	if !errors.As(err, &few) || few.Acknowledged != 0 || few.Wanted != 1 || !claim.Unavailable(err) {
		t.Fatalf("place without the replica: %v", err)
	}
	// The step is done. To repeat it, on another connection, writes nothing anew, and
	// yet it has to wait.
	again := redis.NewClient(rdb.Options())
	defer again.Close()
	repeated, err := claim.Open(again, "main", e.Options())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = repeated.Place(ctx, claim.Placement{ID: "30", Fingerprint: "f", Message: []byte("m")}); !errors.As(err, &few) {
		t.Errorf("the same again, still without the replica: %v", err)
	}
	if r, ok, err := e.Lookup(ctx, "30"); err != nil || !ok || r.State != claim.Accepted {
		t.Errorf("the primary has %+v, %v, %v", r, ok, err)
	}

	// What was answered survives the failover, and what was not may be gone.
	if err := pair.Failover(ctx); err != nil {
		t.Fatal(err)
	}
	if r, ok, err := e.Lookup(ctx, "29"); err != nil || !ok || r.State != claim.Accepted {
		t.Errorf("after the failover order 29 is %+v, %v, %v", r, ok, err)
	}
	if _, ok, err := e.Lookup(ctx, "30"); err != nil || ok {
		t.Errorf("order 30 never reached the replica, but is there: %v, %v", ok, err)
	}
	if err := errors.Join(pair.AddReplica(ctx), pair.Sync(ctx)); err != nil {
		t.Fatal(err)
	}
	if p, err := e.Place(ctx, claim.Placement{ID: "30", Fingerprint: "f", Message: []byte("m")}); err != nil || p.ID != "30" {
		t.Errorf("place with the new replica: %+v, %v", p, err)
	}
	batch := []claim.Placement{{ID: "31", Fingerprint: "f"}, {ID: "32", Fingerprint: "f"}}
	if ps, err := e.PlaceAll(ctx, batch); err != nil || len(ps) != 2 || ps[1].ID != "32" {
		t.Errorf("a batch: %+v, %v", ps, err)
	}
}

// A cluster is waited for at the node that has the partition, also once that has
// moved.
func TestStepsWaitForReplicasInACluster(t *testing.T) {
	rdb, shards := redistest.Cluster(t)
	e, err := claim.Open(rdb, "main", claim.Options{Replicas: 1, ReplicaTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		few := (*claim.TooFewReplicasError)(nil)
		if _, err := e.Place(ctx, claim.Placement{ID: "29", Fingerprint: "f", Message: []byte("m")}); !errors.As(err, &few) {
			t.Errorf("place in a cluster without replicas: %v", err)
		}
		if r, ok, err := e.Lookup(ctx, "29"); err != nil || !ok || r.State != claim.Accepted {
			t.Errorf("the cluster has %+v, %v, %v", r, ok, err)
		}
		if err := shards.Move(ctx, e.Keys().Stream(), nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReplicasThatCannotBeWaitedFor(t *testing.T) {
	t.Parallel()
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	t.Cleanup(func() { _ = ring.Close() })
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer rdb.Close()
	for _, tt := range []struct {
		rdb  redis.UniversalClient
		o    claim.Options
		want string
	}{
		{ring, claim.Options{Replicas: 1}, "*redis.Ring"},
		{rdb, claim.Options{Replicas: -1}, "-1 replicas"},
		{rdb, claim.Options{Replicas: 1, ReplicaTimeout: -1}, "replica timeout"},
	} {
		if _, err := claim.Open(tt.rdb, "main", tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want an error with %q", tt.o, err, tt.want)
		}
	}
}
