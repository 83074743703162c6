// Command probe is the function that the tests run: an event tells it what to do.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do    string
	N     int
	Text  string
	Value json.RawMessage
}

// coded is an error with a name of its own.
type coded struct{ code int }

func (c *coded) Error() string { return fmt.Sprint("code ", c.code) }

// stream is a response that is sent as it is read.
type stream struct {
	reader io.Reader
	after  func() // called once it has been sent
}

func (s *stream) Read(b []byte) (int, error) { return s.reader.Read(b) }

func (s *stream) Close() error {
	if s.after != nil {
		s.after()
	}
	return nil
}

func (s *stream) ContentType() string { return "text/plain" }

type probe struct{ calls int }

func (p *probe) handle(ctx context.Context, e event) (any, error) {
	p.calls++
	switch e.Do {
	case "sleep":
		time.Sleep(time.Duration(e.N) * time.Millisecond)
		return os.Getpid(), nil
	case "block": // until the named pipe has had a writer
		b, err := os.ReadFile(e.Text)
		return map[string]any{"pid": os.Getpid(), "read": string(b)}, err
	case "spin":
		for {
			p.calls++
		}
	case "exit":
		os.Exit(e.N)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		forever()
	case "panic":
		panic(e.Text)
	case "error":
		return nil, errors.New(e.Text)
	case "coded":
		return nil, &coded{e.N}
	case "env":
		return os.Environ(), nil
	case "size": // a JSON string of N bytes, quotes included
		return strings.Repeat("x", e.N-2), nil
	case "allocate":
		b := make([]byte, e.N)
		for i := range b {
			b[i] = 1
		}
		return len(b), nil
	case "deadline":
		deadline, ok := ctx.Deadline()
		if !ok {
			return nil, errors.New("no deadline")
		}
		return deadline.UnixMicro(), nil
	case "context":
		c, _ := lambdacontext.FromContext(ctx)
		return map[string]any{"id": c.AwsRequestID, "arn": c.InvokedFunctionArn, "client": c.ClientContext, "trace": os.Getenv("_X_AMZN_TRACE_ID")}, nil
	case "write":
		return nil, os.WriteFile(os.TempDir()+"/kept", []byte(e.Text), 0o600)
	case "read":
		b, err := os.ReadFile(os.TempDir() + "/kept")
		return string(b), err
	case "calls":
		return p.calls, nil
	case "pid":
		return os.Getpid(), nil
	case "where":
		dir, err := os.Getwd()
		return dir, err
	case "log":
		for i := range e.N {
			fmt.Println(e.Text, i)
			fmt.Fprintln(os.Stderr, e.Text, "err", i)
		}
		fmt.Print("no newline")
	case "break":
		return &stream{reader: io.MultiReader(strings.NewReader("half"), brokenReader{})}, nil
	case "linger": // answers, and does not ask for the next invocation
		return &stream{reader: strings.NewReader(fmt.Sprint(os.Getpid())), after: forever}, nil
	case "nil":
		return nil, nil
	}
	return e.Value, nil
}

func forever() { time.Sleep(time.Hour) }

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, &coded{7} }

func main() {
	switch os.Getenv("PROBE_INIT") {
	case "exit":
		fmt.Println("no luck")
		os.Exit(7)
	case "hang":
		forever()
	case "once": // fails in the first process of an environment only
		if _, err := os.Stat(os.TempDir() + "/tried"); err != nil {
			_ = os.WriteFile(os.TempDir()+"/tried", nil, 0o600)
			os.Exit(7)
		}
	}
	var options []lambda.Option
	if mark := os.Getenv("PROBE_SIGTERM"); mark != "" {
		options = append(options, lambda.WithEnableSIGTERM(func() {
			began := time.Now()
			for { // until SIGKILL: the last line tells how long that took
				f, err := os.OpenFile(mark, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
				if err != nil {
					panic(err)
				}
				fmt.Fprintln(f, time.Since(began).Milliseconds())
				_ = f.Close()
				time.Sleep(5 * time.Millisecond)
			}
		}))
	}
	lambda.StartWithOptions((&probe{}).handle, options...)
}
