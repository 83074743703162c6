package connect_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/connect"
	"photofinish/shared/redistest"
)

// A primary of a cluster dies, and its replica takes over. The client has been
// talking to the dead one alone: nobody sends it elsewhere.
func TestAClusterFailsOver(t *testing.T) {
	t.Parallel()
	primary, replica := clusterNode(t), clusterNode(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	until := func(what string, ok func() bool) {
		t.Helper()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for !ok() {
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("it does not come about that %s", what)
			}
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(primary.ClusterAddSlotsRange(ctx, 0, 16383).Err())
	host, port, _ := net.SplitHostPort(primary.Options().Addr)
	bus := strings.TrimPrefix(primary.ConfigGet(ctx, "cluster-port").Val()["cluster-port"], "0")
	must(replica.Do(ctx, "CLUSTER", "MEET", host, port, bus).Err())
	id, err := primary.Do(ctx, "CLUSTER", "MYID").Text()
	must(err)
	until("the replica knows the primary", func() bool { return strings.Contains(replica.ClusterNodes(ctx).Val(), id) })
	until("it replicates", func() bool { return replica.Do(ctx, "CLUSTER", "REPLICATE", id).Err() == nil })
	until("it is in step", func() bool {
		return strings.Contains(replica.Info(ctx, "replication").Val(), "master_link_status:up") && strings.Contains(primary.ClusterInfo(ctx).Val(), "cluster_state:ok")
	})

	rdb, err := connect.Open(connect.Settings{Addr: primary.Options().Addr, Auth: "none", Cluster: true}, 2)
	must(err)
	defer rdb.Close()
	until("the client knows both", func() bool {
		rdb.(*redis.ClusterClient).ReloadState(ctx)
		return rdb.Set(ctx, "k", "before", 0).Err() == nil && len(slaves(ctx, rdb.(*redis.ClusterClient))) == 1
	})
	must(primary.Do(ctx, "WAIT", 1, 5000).Err())

	_ = primary.ShutdownNoSave(ctx).Err() // it answers by going
	done := make(chan error, 1)
	start := time.Now()
	go func() { done <- rdb.Set(ctx, "k", "after", 0).Err() }()
	must(replica.Do(ctx, "CLUSTER", "FAILOVER", "TAKEOVER").Err())
	if err := <-done; err != nil {
		t.Fatalf("after %v: %v", time.Since(start), err)
	}
	if v, err := replica.Get(ctx, "k").Result(); v != "after" || err != nil {
		t.Errorf("the new primary has %q, %v", v, err)
	}
}

func slaves(ctx context.Context, rdb *redis.ClusterClient) []string {
	found := make(chan string, 10)
	_ = rdb.ForEachSlave(ctx, func(_ context.Context, node *redis.Client) error {
		found <- node.Options().Addr
		return nil
	})
	close(found)
	var all []string
	for addr := range found {
		all = append(all, addr)
	}
	return all
}

// clusterNode is a server that can be part of a cluster.
func clusterNode(t *testing.T) *redis.Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // by default it would be the port + 10000, which may be none
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	return redistest.Server(t, "--cluster-enabled", "yes", "--cluster-port", port, "--cluster-node-timeout", "60000", "--repl-diskless-sync-delay", "0")
}
