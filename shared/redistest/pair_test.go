package redistest_test

import (
	"context"
	"testing"
	"time"

	"photofinish/shared/redistest"
)

func TestAFailoverKeepsWhatWasInSyncAndLosesWhatCameLater(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb, pair := redistest.Pair(t)
	for range 2 {
		write := func(value string) {
			t.Helper()
			if err := rdb.Set(ctx, "key", value, 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
		write("before")
		if err := pair.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		pair.Pause()
		write("later")
		soon, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		err := pair.Sync(soon)
		cancel()
		if err == nil {
			t.Fatal("the replica acknowledged what was kept from it")
		}
		if err := pair.Failover(ctx); err != nil {
			t.Fatal(err)
		}
		if v, err := rdb.Get(ctx, "key").Result(); err != nil || v != "before" {
			t.Errorf("after the failover: %q, %v, want what was in sync", v, err)
		}
		if err := pair.AddReplica(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
