package simulate

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"photofinish/functions/bridge/fanout"
)

// bridgeProcess is a bridge: the real one, with all its goroutines.
type bridgeProcess struct {
	actor   *actor
	cancel  context.CancelFunc
	stopped bool
}

func (w *world) startBridge() {
	if w.stopping {
		return
	}
	a := w.actor(fmt.Sprintf("b%d", len(w.bridges)+1), server)
	ctx, cancel := context.WithCancel(context.Background())
	b := &bridgeProcess{actor: a, cancel: cancel}
	w.bridges = append(w.bridges, b)
	rdb := w.client(a)
	s := fanout.Settings{
		Warehouses: []string{warehouse}, Function: "inventory", Fanout: w.plan.Fanout, FanoutMode: w.plan.Mode,
		InFlight: 2, BatchMax: w.plan.BatchMax, InvokeTimeout: w.plan.InvokeTimeout, MaxDeliveries: w.plan.MaxDeliveries,
		RedeliverAt: w.plan.Redeliver, BackoffBase: w.plan.BackoffBase, BackoffMax: w.plan.BackoffMax,
		Admit: w.plan.Admit, Channel: channel,
		Consumer: a.name,
		Jitter:   func(limit time.Duration) time.Duration { return w.jitter(a, limit) },
	}
	if err := s.Check(); err != nil {
		panic(err)
	}
	invoke := func(ctx context.Context, payload []byte) (*lambda.InvokeOutput, error) {
		return w.call(ctx, a, payload)
	}
	w.wg.Go(func() {
		err := fanout.Serve(ctx, rdb, invoke, s, silent)
		_ = rdb.Close()
		w.post(&op{actor: a, kind: act, key: "stopped", do: func() {
			b.stopped = true
			if err != nil {
				w.problem("%s ended with %v", a.name, err)
			}
		}})
	})
}

// jitter depends on nothing but who asks when, for several goroutines may ask at
// once.
func (w *world) jitter(a *actor, limit time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s %d %d", w.plan.Seed, a.name, w.now(), limit)
	return time.Duration(h.Sum64() % uint64(limit)) //nolint:gosec // a limit is over 0, and what is left is under it
}

// call invokes the function for a bridge and waits for the answer.
func (w *world) call(ctx context.Context, a *actor, payload []byte) (*lambda.InvokeOutput, error) {
	if err := w.gone(a); err != nil {
		return nil, err
	}
	in := &invocation{payload: payload, out: make(chan invoked, 2)}
	w.post(&op{actor: a, kind: invoke, key: string(payload), invocation: in})
	select {
	case got := <-in.out:
		return got.out, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.over:
		return nil, errOver
	}
}
