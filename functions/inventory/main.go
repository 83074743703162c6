// Command inventory is the Lambda function of which several instances are handed
// every order. They race for its lock; the winner takes the items from the stock.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/config"
	"photofinish/shared/connect"
	"photofinish/shared/order"
	"photofinish/shared/telemetry"
)

type settings struct {
	Redis     connect.Settings
	Telemetry telemetry.Settings

	LogStream     string        `env:"AWS_LAMBDA_LOG_STREAM_NAME"` // set by Lambda
	LockTTL       time.Duration `env:"LOCK_TTL" envDefault:"5s"`
	Retention     time.Duration `env:"RETENTION" envDefault:"168h"`
	MaxDeliveries int           `env:"MAX_DELIVERIES" envDefault:"5"`
	// ProcessingTime makes the work between claim and settle take longer, for
	// demonstrations of what happens meanwhile.
	ProcessingTime time.Duration `env:"PROCESSING_TIME" envDefault:"0s"`
}

func main() {
	if err := run(os.Environ()); err != nil {
		fmt.Fprintln(os.Stderr, "inventory:", err)
		os.Exit(1)
	}
}

func run(environ []string) error {
	s, err := config.Load[settings](environ)
	if err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	rdb, err := connect.Open(s.Redis, 2) // one invocation at a time, and renewals beside it
	if err != nil {
		return err
	}
	defer rdb.Close()
	lambda.Start(newContender(rdb, s, telemetry.New(os.Stdout, "inventory", s.Telemetry)).handle)
	return nil
}

func newContender(rdb redis.UniversalClient, s settings, log *slog.Logger) *contender {
	return &contender{
		log:     log,
		name:    instance(s.LogStream),
		lockTTL: s.LockTTL,
		work:    s.ProcessingTime,
		open: func(warehouse string) (*claim.Engine, error) {
			if !order.ValidWarehouse(warehouse) {
				return nil, fmt.Errorf("warehouse %.40q is not 1 to %d letters, digits or -", warehouse, order.MaxWarehouse)
			}
			return claim.Open(rdb, warehouse, claim.Options{Retention: s.Retention, MaxDeliveries: s.MaxDeliveries})
		},
	}
}

// check refuses at the start what would make every invocation fail.
func (s settings) check() error {
	switch {
	case s.LockTTL < 100*time.Millisecond:
		return fmt.Errorf("config: LOCK_TTL: %v is under 100ms, too short to renew", s.LockTTL)
	case s.Retention < time.Second:
		return fmt.Errorf("config: RETENTION: %v is under 1s", s.Retention)
	case s.MaxDeliveries < 1:
		return fmt.Errorf("config: MAX_DELIVERIES: must be 1 or more, not %d", s.MaxDeliveries)
	case s.ProcessingTime < 0:
		return fmt.Errorf("config: PROCESSING_TIME: must not be under 0s, but is %v", s.ProcessingTime)
	}
	return nil
}

// instance is a name for this process that no other has. It begins with the end
// of the log stream's name, so that a winner's log can be found; the stream alone
// is not enough, since it stays when the process is replaced after a crash.
func instance(logStream string) string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails
	const end = 6
	return logStream[max(0, len(logStream)-end):] + hex.EncodeToString(b)
}
