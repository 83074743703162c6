package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	slots          = 16384
	clusterTimeout = 30 * time.Second // for what the nodes have to agree on
)

// Shards are the primaries of a cluster. Slots can be moved between them while
// the cluster is in use. The methods can be called from any goroutine.
type Shards struct {
	// Nodes are clients of the single primaries. They follow no redirection.
	Nodes []*redis.Client

	mu  sync.Mutex // one move at a time
	ids []string   // of the nodes
}

// Cluster starts a cluster of three primaries, each with a third of the slots,
// and gives a client with the default settings for redirections and retries.
// Without a redis-server the test is skipped, but in CI it fails.
func Cluster(t testing.TB) (*redis.ClusterClient, *Shards) {
	t.Helper()
	h, s := newHost(t), &Shards{}
	o := &redis.ClusterOptions{Protocol: 2, DisableIdentity: true}
	for range 3 {
		// No node may pass for dead only because the machine is busy.
		p, err := h.launch("--cluster-enabled", "yes", "--cluster-node-timeout", "60000")
		if err != nil {
			t.Fatal(err)
		}
		s.Nodes = append(s.Nodes, client(t, p.addr))
		o.Addrs = append(o.Addrs, p.addr)
	}
	ctx, cancel := context.WithTimeout(context.Background(), clusterTimeout)
	defer cancel()
	if err := s.form(ctx); err != nil {
		t.Fatalf("redistest: form a cluster: %v", err)
	}
	rdb := redis.NewClusterClient(o)
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb, s
}

func (s *Shards) form(ctx context.Context) error {
	n := len(s.Nodes)
	for i, node := range s.Nodes {
		id, err := node.ClusterMyID(ctx).Result()
		if err != nil {
			return err
		}
		s.ids = append(s.ids, id)
		if err := node.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			return err
		}
		if err := node.ClusterAddSlotsRange(ctx, i*slots/n, (i+1)*slots/n-1).Err(); err != nil {
			return err
		}
		host, port, err := net.SplitHostPort(s.Nodes[0].Options().Addr)
		if err != nil {
			return err
		}
		if err := node.ClusterMeet(ctx, host, port).Err(); err != nil {
			return err
		}
	}
	return until(ctx, func() error {
		for _, node := range s.Nodes {
			info, err := node.ClusterInfo(ctx).Result()
			if err != nil {
				return err
			}
			for _, line := range []string{"cluster_state:ok", "cluster_slots_ok:16384", fmt.Sprintf("cluster_size:%d", n)} {
				if !strings.Contains(info, line+"\r\n") {
					return fmt.Errorf("%s is not at %s: %s", node.Options().Addr, line, info)
				}
			}
		}
		return nil
	})
}

// Owner is the index in Nodes of the primary that has the slot of a key.
func (s *Shards) Owner(ctx context.Context, key string) (int, error) {
	slot, err := s.Nodes[0].ClusterKeySlot(ctx, key).Result()
	if err != nil {
		return 0, err
	}
	return s.owner(ctx, s.Nodes[0], int(slot))
}

// owner is the primary that has a slot, as one of the nodes sees it.
func (s *Shards) owner(ctx context.Context, seen *redis.Client, slot int) (int, error) {
	ranges, err := seen.ClusterSlots(ctx).Result() //nolint:staticcheck // CLUSTER SHARDS is only there from 7.0 on
	if err != nil {
		return 0, err
	}
	for _, r := range ranges {
		if slot < r.Start || slot > r.End {
			continue
		}
		for i, id := range s.ids {
			if id == r.Nodes[0].ID {
				return i, nil
			}
		}
	}
	return 0, fmt.Errorf("redistest: nobody has slot %d", slot)
}

// Published returns once all that was published before, on whichever node, has
// reached the subscribers of all nodes. The nodes pass messages on to each other
// some time later, so those of different publishers come in any order.
func (s *Shards) Published(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	const channel = "redistest:published"
	for _, node := range s.Nodes {
		sub := node.Subscribe(ctx, channel)
		defer sub.Close()
		if _, err := sub.Receive(ctx); err != nil { // that it is subscribed
			return err
		}
		for _, from := range s.Nodes {
			if err := from.Publish(ctx, channel, "").Err(); err != nil {
				return err
			}
		}
		for range s.Nodes {
			if _, err := sub.ReceiveMessage(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// until repeats a check until it passes, or the time is up.
func until(ctx context.Context, check func() error) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}
