package redistest

import (
	"context"
	"fmt"
	"math"
	"net"
	"strings"
)

// Stage is how far a Move is.
type Stage int

// The stages of a Move.
const (
	HalfGone Stage = iota // of the slot's keys the half is at the new owner
	AllGone               // all of them are, but the old owner still has the slot
)

// Move takes the slot of a key with all its keys to another primary, the one
// after its present owner, while clients go on: it does what a resharding does,
// in the same order. It calls at, unless that is nil, when half of the keys have
// gone, and when all have but the slot is still the old owner's. It returns when
// all nodes know the new owner.
func (s *Shards) Move(ctx context.Context, key string, at func(Stage)) error {
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
	if err := s.migrate(ctx, int(slot), from, to, at); err != nil {
		return fmt.Errorf("redistest: move slot %d: %w", slot, err)
	}
	return s.settled(ctx, int(slot), to)
}

func (s *Shards) migrate(ctx context.Context, slot, from, to int, at func(Stage)) error {
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
	for _, stage := range []struct {
		Stage
		limit int
	}{{HalfGone, int(keys / 2)}, {AllGone, math.MaxInt32}} {
		if err := s.carry(ctx, slot, from, to, stage.limit); err != nil {
			return err
		}
		if at != nil {
			at(stage.Stage)
		}
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
