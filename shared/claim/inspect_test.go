package claim_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

func inspector(t *testing.T, rdb redis.UniversalClient, partition string) *claim.Engine {
	t.Helper()
	e, err := claim.Open(rdb, partition, claim.Options{Retention: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func placed(t *testing.T, e *claim.Engine, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if _, err := e.Place(t.Context(), claim.Placement{ID: id, Fingerprint: "f", Message: []byte(`{"001":2}`), Trace: "trace-" + id}); err != nil {
			t.Fatal(err)
		}
	}
}

func inspect(t *testing.T, e *claim.Engine, id string) claim.Inspection {
	t.Helper()
	all, err := e.Inspect(t.Context(), id)
	if err != nil || len(all) != 1 || all[0].ID != id {
		t.Fatalf("inspect %s: %+v, %v", id, all, err)
	}
	return all[0]
}

func TestInspectTellsWhoHoldsAnOrder(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		ctx, e := t.Context(), inspector(t, rdb, "main")
		placed(t, e, "29")
		if got := inspect(t, e, "29"); got.Plain || got.Lock != nil || got.State != claim.Accepted || got.Trace != "trace-29" || got.Expires != 0 {
			t.Errorf("placed: %+v", got)
		}
		won, err := e.Claim(ctx, "A", time.Minute, []claim.Delivery{{ID: "29", Count: 3}})
		if err != nil {
			t.Fatal(err)
		}
		got := inspect(t, e, "29")
		if got.Lock == nil || got.Lock.Fence != 1 || got.Lock.Owner != "A" || got.Lock.Left <= 50*time.Second || got.Lock.Left > time.Minute || got.Deliveries != 3 {
			t.Errorf("claimed: %+v, lock %+v", got, got.Lock)
		}
		if age := got.At.Sub(got.PlacedAt); age < 0 || age > time.Minute {
			t.Errorf("its age is %v", age)
		}
		if _, err := e.Settle(ctx, "A", claim.Respond, []claim.Settlement{{Held: claim.Held{ID: "29", Fence: won[0].Fence}, Result: "r"}}); err != nil {
			t.Fatal(err)
		}
		got = inspect(t, e, "29")
		if got.Plain || got.Lock != nil || got.State != claim.Settled || got.Result != "r" || got.Expires <= 0 || got.Expires > time.Hour {
			t.Errorf("settled: %+v", got)
		}
	})
}

func TestInspectTellsAPlainKey(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		ctx, e := t.Context(), inspector(t, rdb, "main")
		begun, err := e.Begin(ctx, "pay-7", "f", "A", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		got := inspect(t, e, "pay-7")
		if !got.Plain || got.Lock == nil || got.Lock.Fence != begun.Fence || got.Fence != begun.Fence || got.Owner != "A" || got.Fingerprint != "f" || got.Deliveries != 1 {
			t.Errorf("begun: %+v, lock %+v", got, got.Lock)
		}
		if freed, err := e.Free(ctx, "A", claim.Held{ID: "pay-7", Fence: begun.Fence}, "by hand"); !freed || err != nil {
			t.Fatal(freed, err)
		}
		if got := inspect(t, e, "pay-7"); !got.Plain || got.Lock != nil || got.Fingerprint != "" || got.Reason != "by hand" {
			t.Errorf("freed: %+v", got)
		}
	})
}

func TestInspectPassesOverWhatIsNoRecord(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		ctx, e := t.Context(), inspector(t, rdb, "main")
		placed(t, e, "a", "c")
		for _, key := range []string{"{main}:order:text", "{main}:order:bad id", "{main}:orderly", "other"} {
			if err := rdb.Set(ctx, key, "of another program", 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
		all, err := e.Inspect(ctx, "c", "none", "text", "a")
		if err != nil || len(all) != 2 || all[0].ID != "c" || all[1].ID != "a" {
			t.Errorf("%+v, %v, want c and a", all, err)
		}
		if got := ids(t, e, ""); !slices.Equal(got, []string{"a", "c"}) {
			t.Errorf("inspections give %v", got)
		}
		if _, err := e.Inspect(ctx, "a", "b*"); err == nil {
			t.Error("an invalid id was accepted")
		}
		for _, err := range e.Inspections(ctx, "*") {
			if err == nil {
				t.Error("a pattern was accepted as a prefix")
			}
		}
		// A lock of its own type is no lock.
		if err := rdb.HSet(ctx, "{main}:lock:a", "f", "v").Err(); err != nil {
			t.Fatal(err)
		}
		if got := inspect(t, e, "a"); got.Lock != nil {
			t.Errorf("lock %+v", got.Lock)
		}
	})
}

// ids are those that Inspections gives, each once and sorted.
func ids(t *testing.T, e *claim.Engine, prefix string) []string {
	t.Helper()
	var all []string
	for one, err := range e.Inspections(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one.ID)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestInspectionsGoThroughAllRecordsAndNoOthers(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, rdb *redis.Client, records int) {
		e, west := inspector(t, rdb, "main"), inspector(t, rdb, "main-west")
		placed(t, west, "elsewhere")
		var want []claim.Placement
		for i := range records {
			want = append(want, claim.Placement{ID: fmt.Sprintf("o-%04d", i), Fingerprint: "f"})
		}
		for page := range slices.Chunk(want, 500) {
			if _, err := e.PlaceAll(t.Context(), page); err != nil {
				t.Fatal(err)
			}
		}
		if got := ids(t, e, ""); len(got) != len(want) || got[0] != "o-0000" || got[len(got)-1] != want[len(want)-1].ID {
			t.Errorf("%d records, want %d", len(got), len(want))
		}
		if got := ids(t, e, "o-001"); len(got) != 10 {
			t.Errorf("with the prefix: %v", got)
		}
		for one, err := range e.Inspections(t.Context(), "") { // a caller may stop at any time
			if err != nil || one.State != claim.Accepted {
				t.Errorf("%+v, %v", one, err)
			}
			break
		}
	}
	t.Run("embedded", func(t *testing.T) { test(t, redistest.Embedded(t), 300) })    // more than a call looks at
	t.Run("redis-server", func(t *testing.T) { test(t, redistest.Server(t), 2500) }) // more than a scan gives at once
}

func TestPartitionsThatAreFound(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		placed(t, inspector(t, rdb, "a"), "1", "2")
		placed(t, inspector(t, rdb, "b"), "1")
		c := inspector(t, rdb, "c")
		if _, err := c.Begin(ctx, "k", "f", "A", time.Minute); err != nil {
			t.Fatal(err)
		}
		d := inspector(t, rdb, "d")
		if err := d.Queue("one").Join(ctx); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"{e}:stock", "{f}:order:", "{not a name}:orders", "{g}:lock:1"} {
			if err := rdb.Set(ctx, key, "x", 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
		all, err := claim.Partitions(ctx, rdb)
		if err != nil {
			t.Fatal(err)
		}
		want := []claim.Partition{{Name: "a", Records: 2}, {Name: "b", Records: 1}, {Name: "c", Records: 1}, {Name: "d", Records: 0}}
		if diff := cmp.Diff(want, all); diff != "" {
			t.Error(diff)
		}
		for name, want := range map[string]bool{"a": true, "c": true, "d": true, "e": false, "z": false} {
			if known, err := inspector(t, rdb, name).Known(ctx); known != want || err != nil {
				t.Errorf("known %s: %v, %v", name, known, err)
			}
		}
		for _, e := range []*claim.Engine{inspector(t, rdb, "a"), c} {
			if got := ids(t, e, ""); len(got) == 0 {
				t.Errorf("no records of %s", e.Keys().Partition())
			}
		}
	}
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) { test(t, rdb) })
	t.Run("cluster", func(t *testing.T) {
		rdb, _ := redistest.Cluster(t)
		test(t, rdb)
	})
}

func TestARingCannotBeInspected(t *testing.T) {
	t.Parallel()
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"one": "127.0.0.1:1"}})
	defer ring.Close() //nolint:errcheck // it was never connected
	if _, err := claim.Partitions(t.Context(), ring); err == nil || claim.Unavailable(err) {
		t.Errorf("partitions: %v", err)
	}
	for _, err := range inspector(t, ring, "main").Inspections(t.Context(), "") {
		if err == nil || claim.Unavailable(err) {
			t.Errorf("inspections: %v", err)
		}
	}
}
