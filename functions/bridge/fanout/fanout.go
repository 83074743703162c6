// Package fanout is the bridge: it hands the orders of the stream to several
// contenders at once, and again until they have ended.
package fanout

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"photofinish/shared/claim"
	"photofinish/shared/claim/emf"
	"photofinish/shared/connect"
	"photofinish/shared/delivery"
	"photofinish/shared/order"
	"photofinish/shared/telemetry"
)

// Settings are the variables of the bridge.
type Settings struct {
	Redis     connect.Settings
	Telemetry telemetry.Settings
	Metrics   telemetry.MetricsSettings

	Warehouses    []string      `env:"WAREHOUSES" envDefault:"main"`
	Function      string        `env:"INVENTORY_FUNCTION,required,notEmpty"`
	Fanout        int           `env:"FANOUT" envDefault:"3"`
	FanoutMode    string        `env:"FANOUT_MODE" envDefault:"race"`
	InFlight      int           `env:"IN_FLIGHT" envDefault:"4"`
	BatchMax      int           `env:"BATCH_MAX" envDefault:"128"`
	InvokeTimeout time.Duration `env:"INVOKE_TIMEOUT" envDefault:"15s"`
	MaxDeliveries int           `env:"MAX_DELIVERIES" envDefault:"5"`
	RedeliverAt   time.Duration `env:"REDELIVER_AFTER" envDefault:"5s"`
	BackoffBase   time.Duration `env:"BACKOFF_BASE" envDefault:"200ms"`
	BackoffMax    time.Duration `env:"BACKOFF_MAX" envDefault:"1m"`
	Admit         bool          `env:"ADMIT"`
	Channel       string        `env:"CHANNEL" envDefault:"order_updates"`
	HealthAddr    string        `env:"HEALTH_ADDR"`

	// No variables. Observe is told what the engine does, if set; the others are
	// left to chance unless the caller says otherwise.
	Observe  func(claim.Event)
	Consumer string                                  // name in the consumer group, new at every start
	Jitter   func(limit time.Duration) time.Duration // from 0 to under limit, for any goroutine
}

const (
	// DrainTime is how long the bridge waits, once it is told to stop, for what it
	// has handed out. Fargate kills it after 30 s.
	DrainTime = 25 * time.Second
	// LeaveTime is how long it then has to take leave of Redis.
	LeaveTime = 2 * time.Second
)

// Run connects to Redis and to Lambda, and runs the bridge until ctx ends and
// what it has handed out by then is done. Metrics are written where the log goes.
func Run(ctx context.Context, s Settings, metricsTo io.Writer, log *slog.Logger) error {
	// A blocking read keeps a connection for each warehouse; others are beside it.
	rdb, err := connect.Open(s.Redis, 10+2*len(s.Warehouses))
	if err != nil {
		return err
	}
	defer rdb.Close()
	invoke, err := lambdaInvoke(ctx, s)
	if err != nil {
		return err
	}
	metrics := telemetry.Metrics(metricsTo, "bridge", s.Metrics)
	s.Observe = metrics.Observe
	defer flushEvery(metricsEvery, metrics, log)()
	return Serve(ctx, rdb, invoke, s, log)
}

const metricsEvery = 10 * time.Second

// flushEvery writes metrics from time to time, and once more when it is stopped.
func flushEvery(d time.Duration, metrics *emf.Recorder, log *slog.Logger) (stop func()) {
	flush := func() {
		if err := metrics.Flush(); err != nil {
			log.Warn("metrics not written", "error", err)
		}
	}
	ticker, end := time.NewTicker(d), make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			select {
			case <-end:
				flush()
				return
			case <-ticker.C:
				flush()
			}
		}
	})
	return func() {
		ticker.Stop()
		close(end)
		writing.Wait()
	}
}

// Serve runs the bridge on a Redis and a contender of the caller's.
func Serve(ctx context.Context, rdb redis.UniversalClient, invoke Invoke, s Settings, log *slog.Logger) error {
	return serve(ctx, rdb, newContenders(invoke, s), s, log)
}

func serve(ctx context.Context, rdb redis.UniversalClient, contenders *contenders, s Settings, log *slog.Logger) error {
	lanes, err := open(rdb, s, contenders, log)
	if err != nil {
		return err
	}

	// What was handed out when ctx ends gets the time to drain: only then hard
	// ends, too.
	hard, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	defer context.AfterFunc(ctx, func() {
		log.Info("draining", "atMost", DrainTime.String())
		time.AfterFunc(DrainTime, kill)
	})()

	group, soft := errgroup.WithContext(ctx)
	for _, l := range lanes {
		group.Go(func() error { return l.run(soft, hard) })
	}
	if s.Admit {
		a := newAdmission(rdb, s, lanes, log)
		group.Go(func() error { return a.run(soft, hard) })
	}
	if s.HealthAddr != "" {
		group.Go(func() error { return serveHealth(soft, s.HealthAddr, lanes, log) })
	}
	log.Info("bridge at work", "warehouses", s.Warehouses, "contender", s.Function, "fanout", s.Fanout, "mode", s.FanoutMode, "admit", s.Admit)
	err = group.Wait()
	log.Info("bridge stopped")
	return err
}

// open makes the lane of each warehouse. They share one consumer name, which is
// new at every start.
func open(rdb redis.UniversalClient, s Settings, c *contenders, log *slog.Logger) ([]*lane, error) {
	consumer := s.Consumer
	if consumer == "" {
		b := make([]byte, 6)
		_, _ = rand.Read(b) // never fails
		consumer = hex.EncodeToString(b)
	}
	slots := semaphore.NewWeighted(int64(s.batches() * s.Fanout))
	lanes := make([]*lane, len(s.Warehouses))
	for i, w := range s.Warehouses {
		engine, err := claim.Open(rdb, w, claim.Options{MaxDeliveries: s.MaxDeliveries, Observe: s.Observe})
		if err != nil {
			return nil, err
		}
		lanes[i] = newLane(engine, consumer, s, c, slots, log.With("warehouse", w, "bridge", consumer))
	}
	return lanes, nil
}

// batches is how many batches of fresh orders can be handed out at once. A lane
// that waits for orders holds the room for one, so the others get no less.
func (s Settings) batches() int { return s.InFlight + len(s.Warehouses) - 1 }

// Check refuses at the start what could not work.
func (s Settings) Check() error {
	for _, rule := range []struct {
		ok   bool
		text string
	}{
		{s.Fanout >= 1 && s.Fanout <= 100, "FANOUT: must be 1 to 100"},
		{s.FanoutMode == "race" || s.FanoutMode == "hedge", "FANOUT_MODE: must be race or hedge"},
		{s.InFlight >= 1 && s.InFlight <= 1000, "IN_FLIGHT: must be 1 to 1000"},
		{s.BatchMax >= 1 && s.BatchMax <= delivery.MaxBatch, fmt.Sprintf("BATCH_MAX: must be 1 to %d", delivery.MaxBatch)},
		{s.InvokeTimeout > 0, "INVOKE_TIMEOUT: must be over 0s"},
		{s.MaxDeliveries >= 1, "MAX_DELIVERIES: must be 1 or more"},
		{s.RedeliverAt > 0, "REDELIVER_AFTER: must be over 0s"},
		{s.BackoffBase > 0 && s.BackoffMax >= s.BackoffBase, "BACKOFF_BASE and BACKOFF_MAX: must be over 0s, and the second not under the first"},
	} {
		if !rule.ok {
			return errors.New("config: " + rule.text)
		}
	}
	for i, w := range s.Warehouses {
		if !order.ValidWarehouse(w) {
			return fmt.Errorf("config: WAREHOUSES: %q is not 1 to %d letters, digits or -", w, order.MaxWarehouse)
		}
		if slices.Contains(s.Warehouses[:i], w) {
			return fmt.Errorf("config: WAREHOUSES: %s is named twice", w)
		}
	}
	return nil
}
