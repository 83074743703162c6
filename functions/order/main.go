// Command order is the Lambda function that takes orders over HTTP and answers
// what became of them.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"photofinish/shared/claim"
	"photofinish/shared/config"
	"photofinish/shared/connect"
	"photofinish/shared/httpapi"
	"photofinish/shared/order"
	"photofinish/shared/telemetry"
)

type settings struct {
	Redis     connect.Settings
	Telemetry telemetry.Settings

	Warehouses []string      `env:"WAREHOUSES" envDefault:"main"`
	Retention  time.Duration `env:"RETENTION" envDefault:"168h"`
	Channel    string        `env:"CHANNEL" envDefault:"order_updates"`
}

func main() {
	if err := run(os.Environ()); err != nil {
		fmt.Fprintln(os.Stderr, "order:", err)
		os.Exit(1)
	}
}

func run(environ []string) error {
	s, err := config.Load[settings](environ)
	if err != nil {
		return err
	}
	rdb, err := connect.Open(s.Redis, 0)
	if err != nil {
		return err
	}
	defer rdb.Close()
	log := telemetry.New(os.Stdout, "order", s.Telemetry)
	a := &api{log: log, channel: s.Channel, fallback: s.Warehouses[0], warehouses: map[string]*claim.Engine{}}
	for _, w := range s.Warehouses {
		if !order.ValidWarehouse(w) {
			return fmt.Errorf("config: WAREHOUSES: %q is not 1 to %d letters, digits or -", w, order.MaxWarehouse)
		}
		if a.warehouses[w], err = claim.Open(rdb, w, claim.Options{Retention: s.Retention}); err != nil {
			return fmt.Errorf("config: WAREHOUSES or RETENTION: %w", err)
		}
	}
	lambda.StartWithOptions(httpapi.Lambda(a.routes(), log), lambda.WithContext(context.Background()))
	return nil
}
