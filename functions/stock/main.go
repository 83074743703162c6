// Command stock is the Lambda function that shows what is on hand and takes
// goods in.
package main

import (
	"fmt"
	"os"

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

	Warehouses []string `env:"WAREHOUSES" envDefault:"main"`
}

func main() {
	if err := run(os.Environ()); err != nil {
		fmt.Fprintln(os.Stderr, "stock:", err)
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
	log := telemetry.New(os.Stdout, "stock", s.Telemetry)
	a := &api{log: log, rdb: rdb, fallback: s.Warehouses[0], warehouses: map[string]*claim.Engine{}}
	for _, w := range s.Warehouses {
		if !order.ValidWarehouse(w) {
			return fmt.Errorf("config: WAREHOUSES: %q is not 1 to %d letters, digits or -", w, order.MaxWarehouse)
		}
		if a.warehouses[w], err = claim.Open(rdb, w, claim.Options{}); err != nil {
			return fmt.Errorf("config: WAREHOUSES: %w", err)
		}
	}
	lambda.Start(httpapi.Lambda(a.routes(), log))
	return nil
}
