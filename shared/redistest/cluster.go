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
	ranges, err := seen.ClusterSlots(ctx).Result()
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

// Move takes the slot of a key with all its keys to another primary, the one
// after its present owner, while clients go on: it does what a resharding does,
// in the same order. When it has moved the half of the keys it calls halfway, if
// that is not nil. It returns when all nodes know the new owner.
func (s *Shards) Move(ctx context.Context, key string, halfway func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot, err := s.Nodes[0].ClusterKeySlot(ctx, key).Result()
	if err != nil {
		return err
	}
	from, err := s.owner(ctx, s.Nodes[0], int(slot))
	if err != nil {
		return err
	}
	to := (from + 1) % len(s.Nodes)
	if err := s.migrate(ctx, int(slot), from, to, halfway); err != nil {
		return fmt.Errorf("redistest: move slot %d: %w", slot, err)
	}
	return s.settled(ctx, int(slot), to)
}

func (s *Shards) migrate(ctx context.Context, slot, from, to int, halfway func()) error {
	source, target := s.Nodes[from], s.Nodes[to]
	if err := target.Do(ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", s.ids[from]).Err(); err != nil {
		return err
	}
	if err := source.Do(ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", s.ids[to]).Err(); err != nil {
		return err
	}
	keys, err := source.ClusterCountKeysInSlot(ctx, slot).Result()
	if err != nil {
		return err
	}
	if err := s.carry(ctx, slot, from, to, int(keys/2)); err != nil {
		return err
	}
	if halfway != nil {
		halfway()
	}
	if err := s.carry(ctx, slot, from, to, slots); err != nil {
		return err
	}
	// The new owner first: else both would send clients to each other.
	for i := range s.Nodes {
		node := s.Nodes[(to+i)%len(s.Nodes)]
		if err := node.Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", s.ids[to]).Err(); err != nil {
			return err
		}
	}
	return nil
}

// carry takes keys of a slot over, at most limit. No new ones come up meanwhile:
// while a slot is migrating its owner sends clients on for keys that it lacks.
func (s *Shards) carry(ctx context.Context, slot, from, to, limit int) error {
	if limit == 0 {
		return nil
	}
	host, port, err := net.SplitHostPort(s.Nodes[to].Options().Addr)
	if err != nil {
		return err
	}
	keys, err := s.Nodes[from].ClusterGetKeysInSlot(ctx, slot, limit).Result()
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := s.Nodes[from].Migrate(ctx, host, port, key, 0, clusterTimeout).Err(); err != nil {
			return err
		}
	}
	return nil
}

// settled waits until all nodes see the slot at its new owner, and know in which
// epoch it got it. Before that, an old message of the former owner could win over
// the next move.
func (s *Shards) settled(ctx context.Context, slot, to int) error {
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	return until(ctx, func() error {
		var epoch string
		for i := range s.Nodes {
			node := s.Nodes[(to+i)%len(s.Nodes)] // the owner knows best, and comes first
			owner, err := s.owner(ctx, node, slot)
			if err != nil {
				return err
			}
			text, err := node.ClusterNodes(ctx).Result()
			if err != nil {
				return err
			}
			seen := ""
			for line := range strings.Lines(text) {
				if f := strings.Fields(line); len(f) > 6 && f[0] == s.ids[to] {
					seen = f[6]
				}
			}
			if i == 0 {
				epoch = seen
			}
			if owner != to || seen == "" || seen != epoch {
				return fmt.Errorf("%s sees slot %d at node %d in epoch %s, want node %d in epoch %s", node.Options().Addr, slot, owner, seen, to, epoch)
			}
		}
		return nil
	})
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
