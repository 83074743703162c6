// Command inventory is the Lambda function of which several instances are handed
// every order. They race for its lock; the winner takes the items from the stock.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"photofinish/functions/inventory/picking"
	"photofinish/shared/config"
	"photofinish/shared/connect"
	"photofinish/shared/delivery"
	"photofinish/shared/telemetry"
)

func main() {
	if err := run(os.Environ()); err != nil {
		fmt.Fprintln(os.Stderr, "inventory:", err)
		os.Exit(1)
	}
}

func run(environ []string) error {
	s, err := config.Load[picking.Settings](environ)
	if err != nil {
		return err
	}
	if err := s.Check(); err != nil {
		return err
	}
	rdb, err := connect.Open(s.Redis, 2) // one invocation at a time, and renewals beside it
	if err != nil {
		return err
	}
	defer rdb.Close()
	log := telemetry.New(os.Stdout, "inventory", s.Telemetry)
	metrics := telemetry.Metrics(os.Stdout, "inventory", s.Metrics)
	c, err := picking.New(rdb, s, metrics.Observe, log)
	if err != nil {
		return err
	}
	lambda.Start(func(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
		defer func() {
			if err := metrics.Flush(); err != nil {
				log.WarnContext(ctx, "metrics not written", "error", err)
			}
		}()
		return c.Handle(ctx, b)
	})
	return nil
}
