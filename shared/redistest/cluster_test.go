package redistest_test

import (
	"fmt"
	"testing"

	"photofinish/shared/redistest"
)

func TestASlotMovesWithItsKeysFromNodeToNode(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rdb, shards := redistest.Cluster(t)
	for i := range 20 {
		if err := rdb.Set(ctx, fmt.Sprintf("{a}:%d", i), i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	first, err := shards.Owner(ctx, "{a}")
	if err != nil {
		t.Fatal(err)
	}
	for move := range 2 * len(shards.Nodes) {
		if err := shards.Move(ctx, "{a}", nil); err != nil {
			t.Fatal(err)
		}
		want := (first + move + 1) % len(shards.Nodes)
		if owner, err := shards.Owner(ctx, "{a}"); err != nil || owner != want {
			t.Fatalf("after move %d the slot is at node %d, %v, want node %d", move+1, owner, err, want)
		}
		for i, node := range shards.Nodes {
			n, err := node.DBSize(ctx).Result()
			if err != nil {
				t.Fatal(err)
			}
			if i == want && n != 20 || i != want && n != 0 {
				t.Errorf("after move %d node %d has %d keys", move+1, i, n)
			}
		}
		for i := range 20 {
			if v, err := rdb.Get(ctx, fmt.Sprintf("{a}:%d", i)).Int(); err != nil || v != i {
				t.Errorf("after move %d key %d is %d, %v", move+1, i, v, err)
			}
		}
	}
}
