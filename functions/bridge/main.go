// Command bridge hands the orders of the stream to several contenders at once,
// and again until they have ended. It runs as a service, or as a Lambda function
// in shifts that overlap.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"photofinish/functions/bridge/fanout"
	"photofinish/shared/config"
	"photofinish/shared/telemetry"
)

func main() {
	if err := run(os.Environ(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bridge:", err)
		os.Exit(1)
	}
}

func run(environ []string, stdout io.Writer) error {
	s, err := config.Load[fanout.Settings](environ)
	if err != nil {
		return err
	}
	if err := s.Check(); err != nil {
		return err
	}
	log := telemetry.New(stdout, "bridge", s.Telemetry)
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		return fanout.Run(ctx, s, stdout, log)
	}
	// A shift: it ends in time to drain, and the next one has begun before.
	lambda.Start(func(ctx context.Context) error {
		end, err := shiftEnd(ctx, time.Now())
		if err != nil {
			return err
		}
		shift, stop := context.WithDeadline(context.WithoutCancel(ctx), end)
		defer stop()
		return fanout.Run(shift, s, stdout, log)
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
	const reserve = fanout.DrainTime + fanout.LeaveTime + time.Second
	end := deadline.Add(-reserve)
	if !end.After(now) {
		return time.Time{}, fmt.Errorf("the function's timeout leaves no time to work: it has to be over %v, and %v are left", reserve, deadline.Sub(now))
	}
	return end, nil
}
