// Command bridge hands the orders of the stream to several contenders at once,
// and again until they have ended. It runs as a service, or as a Lambda function
// in shifts that overlap.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"photofinish/shared/claim"
	"photofinish/shared/config"
	"photofinish/shared/connect"
	"photofinish/shared/delivery"
	"photofinish/shared/order"
	"photofinish/shared/telemetry"
)

type settings struct {
	Redis     connect.Settings
	Telemetry telemetry.Settings

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
}

const (
	// drainTime is how long the bridge waits, once it is told to stop, for what it
	// has handed out. Fargate kills it after 30 s.
	drainTime = 25 * time.Second
	// leaveTime is how long it then has to take leave of Redis.
	leaveTime = 2 * time.Second
)

func main() {
	if err := run(os.Environ(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bridge:", err)
		os.Exit(1)
	}
}

func run(environ []string, stdout io.Writer) error {
	s, err := config.Load[settings](environ)
	if err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	log := telemetry.New(stdout, "bridge", s.Telemetry)
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		return work(ctx, s, log)
	}
	// A shift: it ends in time to drain, and the next one has begun before.
	lambda.Start(func(ctx context.Context) error {
		end, err := shiftEnd(ctx, time.Now())
		if err != nil {
			return err
		}
		shift, stop := context.WithDeadline(context.WithoutCancel(ctx), end)
		defer stop()
		return work(shift, s, log)
	})
	return nil
}

// shiftEnd is when a shift has to stop, so that it has drained, and a second to
// spare, before Lambda kills it.
func shiftEnd(ctx context.Context, now time.Time) (time.Time, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Time{}, errors.New("the invocation has no deadline")
	}
	const reserve = drainTime + leaveTime + time.Second
	end := deadline.Add(-reserve)
	if !end.After(now) {
		return time.Time{}, fmt.Errorf("the function's timeout leaves no time to work: it has to be over %v, and %v are left", reserve, deadline.Sub(now))
	}
	return end, nil
}

// batches is how many batches of fresh orders can be handed out at once. A lane
// that waits for orders holds the room for one, so the others get no less.
func (s settings) batches() int { return s.InFlight + len(s.Warehouses) - 1 }

func (s settings) check() error {
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

// work runs the bridge until ctx ends, and then drains it.
func work(ctx context.Context, s settings, log *slog.Logger) error {
	// A blocking read keeps a connection for each warehouse; others are beside it.
	rdb, err := connect.Open(s.Redis, 10+2*len(s.Warehouses))
	if err != nil {
		return err
	}
	defer rdb.Close()
	contenders, err := newContenders(ctx, s)
	if err != nil {
		return err
	}
	return serve(ctx, rdb, contenders, s, log)
}

func serve(ctx context.Context, rdb redis.UniversalClient, contenders *contenders, s settings, log *slog.Logger) error {
	lanes, err := open(rdb, s, contenders, log)
	if err != nil {
		return err
	}

	// What was handed out when ctx ends gets the time to drain: only then hard
	// ends, too.
	hard, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	defer context.AfterFunc(ctx, func() {
		log.Info("draining", "atMost", drainTime.String())
		time.AfterFunc(drainTime, kill)
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
func open(rdb redis.UniversalClient, s settings, c *contenders, log *slog.Logger) ([]*lane, error) {
	b := make([]byte, 6)
	_, _ = rand.Read(b) // never fails
	consumer := hex.EncodeToString(b)
	slots := semaphore.NewWeighted(int64(s.batches() * s.Fanout))
	lanes := make([]*lane, len(s.Warehouses))
	for i, w := range s.Warehouses {
		engine, err := claim.Open(rdb, w, claim.Options{MaxDeliveries: s.MaxDeliveries})
		if err != nil {
			return nil, err
		}
		lanes[i] = newLane(engine, consumer, s, c, slots, log.With("warehouse", w, "bridge", consumer))
	}
	return lanes, nil
}
