package connect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// How often a command is tried again, on a lost connection, a refused one, and on
// what a cluster says in a change (MOVED, ASK, TRYAGAIN, CLUSTERDOWN, READONLY,
// LOADING). The pauses between the attempts double from 20 ms to 500 ms, with
// jitter: 3 s in all on average. A stale connection costs a command 20 to 60 ms, a
// slot or a primary that moves as long as that takes. The client's defaults (3
// retries, 0.1 s in all) are over before any failover is.
const (
	retries    = 10
	minBackoff = 20 * time.Millisecond
	maxBackoff = 500 * time.Millisecond
	// patience is what a command may take with all that. A server that takes
	// connections and does not answer would use it up at each attempt anew.
	patience = 5 * time.Second
)

func client(o *redis.UniversalOptions) redis.UniversalClient {
	logging.Disable()
	if !o.IsClusterMode {
		single := o.Simple()
		single.MaxRetries = retries
		rdb := redis.NewClient(single)
		rdb.AddHook(impatient{})
		return rdb
	}
	cluster := o.Cluster()
	cluster.MaxRedirects = retries
	rdb := redis.NewClusterClient(cluster)
	rdb.AddHook(impatient{})
	rdb.OnNewNode(func(node *redis.Client) { node.AddHook(watchful{rdb}) })
	return rdb
}

// impatient ends each command when its patience is over.
type impatient struct{}

func (impatient) DialHook(next redis.DialHook) redis.DialHook { return next }

func (impatient) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if waits(cmd) {
			return next(ctx, cmd)
		}
		return within(ctx, func(ctx context.Context) error { return next(ctx, cmd) })
	}
}

func (impatient) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if slices.ContainsFunc(cmds, waits) {
			return next(ctx, cmds)
		}
		return within(ctx, func(ctx context.Context) error { return next(ctx, cmds) })
	}
}

func within(ctx context.Context, run func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := run(bounded)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("connect: redis gave no answer within %v: %w", patience, err)
	}
	return err
}

// waits reports whether a command waits for something by itself.
func waits(cmd redis.Cmder) bool {
	switch cmd.Name() {
	case "wait", "waitaof", "blpop", "brpop", "blmove", "blmpop", "bzpopmin", "bzpopmax", "bzmpop":
		return true
	case "xread", "xreadgroup":
		return slices.ContainsFunc(cmd.Args(), func(arg any) bool {
			word, ok := arg.(string)
			return ok && strings.EqualFold(word, "block")
		})
	}
	return false
}

// watchful has the cluster client look again at who has which slots when a node
// cannot be reached. By itself it does so only when a node sends it elsewhere, or
// once a minute: it would go on calling on a primary that has died.
type watchful struct{ cluster *redis.ClusterClient }

func (watchful) DialHook(next redis.DialHook) redis.DialHook { return next }

func (w watchful) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return w.look(ctx, next(ctx, cmd)) }
}

func (w watchful) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { return w.look(ctx, next(ctx, cmds)) }
}

// look returns err as it is. Requests to look again are brought together by the
// client: it asks for the slots five times a second at most.
func (w watchful) look(ctx context.Context, err error) error {
	var reply redis.Error
	if err != nil && !errors.As(err, &reply) && !errors.Is(err, redis.ErrClosed) && !errors.Is(err, context.Canceled) {
		w.cluster.ReloadState(ctx)
	}
	return err
}
