// Command inventory is the Lambda function of which several instances are handed
// every order. They race for its lock; the winner takes the items from the stock.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"photofinish/functions/inventory/contender"
	"photofinish/shared/config"
	"photofinish/shared/connect"
	"photofinish/shared/telemetry"
)

func main() {
	if err := run(os.Environ()); err != nil {
		fmt.Fprintln(os.Stderr, "inventory:", err)
		os.Exit(1)
	}
}

func run(environ []string) error {
	s, err := config.Load[contender.Settings](environ)
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
	lambda.Start(contender.New(rdb, s, telemetry.New(os.Stdout, "inventory", s.Telemetry)).Handle)
	return nil
}
