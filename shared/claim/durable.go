package claim

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// TooFewReplicasError says that a step was done, but is not known to have reached
// as many replicas as Options.Replicas asks for: a failover now could undo it.
type TooFewReplicasError struct {
	Acknowledged, Wanted int
}

func (e *TooFewReplicasError) Error() string {
	return fmt.Sprintf("claim: %d of %d replicas have acknowledged the step", e.Acknowledged, e.Wanted)
}

func (o Options) checkReplicas(rdb redis.UniversalClient) error {
	switch {
	case o.Replicas < 0:
		return fmt.Errorf("claim: %d replicas: has to be 0 or more", o.Replicas)
	case o.ReplicaTimeout < 0:
		return fmt.Errorf("claim: the replica timeout %v is under 0", o.ReplicaTimeout)
	case o.Replicas == 0:
		return nil
	}
	switch rdb.(type) {
	case *redis.Client, *redis.ClusterClient:
		return nil
	default: // it has no single connection to wait on
		return fmt.Errorf("claim: replicas cannot be waited for with a %T", rdb)
	}
}

// execDurably runs scripts and waits for replicas, on one connection: WAIT is only
// sure to count for what was written on its own connection. A step that is only
// repeated writes nothing, so something is written in any case: replicas
// acknowledge that only with all that came before it.
func (e *Engine) execDurably(ctx context.Context, calls []scriptCall) ([]*redis.Cmd, error) {
	var cmds []*redis.Cmd
	var synced, acknowledged redis.Cmder
	eval := (*redis.Script).EvalSha
	send := func(pipe redis.Pipeliner) error {
		cmds = queue(ctx, pipe, calls, eval)
		synced = pipe.Set(ctx, e.keys.Synced(), 1, 0)
		acknowledged = pipe.Do(ctx, "WAIT", e.opts.Replicas, e.opts.ReplicaTimeout.Milliseconds())
		_, err := pipe.Exec(ctx)
		return err
	}
	err := e.onPrimary(ctx, send)
	if anyFailed(cmds, "NOSCRIPT") {
		// Those that were known have run: to repeat a step does no harm.
		eval = (*redis.Script).Eval
		err = e.onPrimary(ctx, send)
	}
	if len(cmds) == 0 {
		return nil, err
	}
	for _, cmd := range cmds {
		if cmd.Err() != nil { // it tells more than what failed after it
			return cmds, nil
		}
	}
	n, err := acknowledged.(*redis.Cmd).Int()
	if err := errors.Join(synced.Err(), err); err != nil {
		return nil, fmt.Errorf("wait for replicas: %w", err)
	}
	if n < e.opts.Replicas {
		return nil, &TooFewReplicasError{Acknowledged: n, Wanted: e.opts.Replicas}
	}
	return cmds, nil
}

// onPrimary sends commands over one connection to the primary that has the
// engine's partition.
func (e *Engine) onPrimary(ctx context.Context, send func(redis.Pipeliner) error) error {
	cluster, ok := e.rdb.(*redis.ClusterClient)
	if !ok {
		return send(e.rdb.Pipeline())
	}
	node, err := cluster.MasterForKey(ctx, e.keys.Stream())
	if err != nil {
		return err
	}
	err = send(node.Pipeline())
	if _, moved := redis.IsMovedError(err); !moved {
		return err
	}
	// Watch is what the client has that follows a partition to another node and
	// keeps to one connection there.
	return cluster.Watch(ctx, func(tx *redis.Tx) error { return send(tx.Pipeline()) }, e.keys.Stream())
}

func anyFailed(cmds []*redis.Cmd, code string) bool {
	for _, cmd := range cmds {
		if redis.HasErrorPrefix(cmd.Err(), code) {
			return true
		}
	}
	return false
}
