package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"photofinish/localdev/emulator"
)

// stopTime is how long a soft stop may take before what is left is killed.
const stopTime = 30 * time.Second

type upFlags struct {
	template, configEnv, redis, logs string
	workDir                          string
	port, lambdaPort, pagePort       int
	redisPort                        int
	parameters, scale                []string
	lenient, noSeed, verbose         bool
}

func upCommand() *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Build and run the application",
		Long: `up builds the functions that the template declares and serves them: the HTTP
API, the Lambda API (for AWS_ENDPOINT_URL_LAMBDA), and a page that shows the
races. Services, such as the bridge, run as processes. Parameters of the template
that differ on this machine come from samconfig.toml, from parameter_overrides
of local_start_api.

Ctrl-C lets what is going on end, and then stops everything; a second Ctrl-C
kills it at once. A Redis that up has started ends with it, and what it held is
gone.`,
		Example: `  localdev up
  localdev up --port 0 --lambda-port 0 --page-port 0     any free ports
  localdev up --redis 127.0.0.1:6379                     a Redis of your own
  localdev up --scale BridgeFunction=2                   two bridges`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return up(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&f.template, "template", "t", "template.yaml", "the SAM template")
	fs.StringVar(&f.workDir, "work-dir", "", "where the functions are built (default .localdev next to the template)")
	fs.StringVar(&f.configEnv, "config-env", "default", "the environment in samconfig.toml, which is next to the template")
	fs.StringArrayVar(&f.parameters, "parameter", nil, "a parameter of the template, as Name=value; may be repeated")
	fs.IntVar(&f.port, "port", 3000, "port of the HTTP API on 127.0.0.1; 0 takes a free one")
	fs.IntVar(&f.lambdaPort, "lambda-port", 3001, "port of the Lambda API; 0 takes a free one")
	fs.IntVar(&f.pagePort, "page-port", 3002, "port of the page; 0 takes a free one")
	fs.StringVar(&f.redis, "redis", "auto", "auto (redis-server or valkey-server from PATH, else embedded), embedded, server, or HOST:PORT of one that runs")
	fs.IntVar(&f.redisPort, "redis-port", 0, "port of the Redis that is started; 0 takes a free one")
	fs.StringArrayVar(&f.scale, "scale", nil, "how many processes of a service to run, as Name=n; may be repeated")
	fs.StringVar(&f.logs, "logs", "auto", "how log lines are printed: pretty, json, off, or auto (pretty on a terminal)")
	fs.BoolVar(&f.lenient, "lenient", false, "warn of what cannot be emulated instead of refusing the template")
	fs.BoolVar(&f.noSeed, "no-seed", false, "do not put demo stock into a Redis that has none")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "also say what the emulator itself does")
	return cmd
}

func (f *upFlags) options() (emulator.Options, error) {
	if f.workDir == "" {
		f.workDir = stateDir(filepath.Dir(f.template))
	}
	o := emulator.Options{
		BuildDir: filepath.Join(f.workDir, "build"),
		Template: f.template, Config: filepath.Join(filepath.Dir(f.template), "samconfig.toml"), ConfigEnv: f.configEnv,
		Port: f.port, LambdaPort: f.lambdaPort, Redis: f.redis, RedisPort: f.redisPort, Lenient: f.lenient,
		Parameters: map[string]string{}, Scale: map[string]int{},
	}
	for _, p := range f.parameters {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			return o, fmt.Errorf("--parameter %s: has to be Name=value", p)
		}
		o.Parameters[name] = value
	}
	for _, s := range f.scale {
		name, value, _ := strings.Cut(s, "=")
		n, err := strconv.Atoi(value)
		if err != nil {
			return o, fmt.Errorf("--scale %s: has to be Name=n", s)
		}
		o.Scale[name] = n
	}
	if strings.Contains(f.redis, "://") {
		return o, fmt.Errorf("--redis %s: up takes auto, embedded, server or HOST:PORT", f.redis)
	}
	return o, nil
}

func up(ctx context.Context, f upFlags, stdout, stderr io.Writer) (err error) {
	start := time.Now()
	o, err := f.options()
	if err != nil {
		return err
	}
	lines, err := newPrinter(stdout, f.logs)
	if err != nil {
		return err
	}
	level := slog.LevelWarn
	if f.verbose {
		level = slog.LevelDebug
	}
	o.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))

	if err := emulator.Check(o); err != nil {
		return describeStart(err, f)
	}
	// The page's port is taken first, so that a taken one is found at once.
	page, err := emulator.Listen(ctx, "--page-port", f.pagePort)
	if err != nil {
		return err
	}
	defer page.Close()

	show := &livePage{}
	o.Output = func(l emulator.Line) {
		lines.print(l)
		show.line(l)
	}
	steps := newSteps(stderr)
	o.Step = steps.show
	e, err := emulator.Start(ctx, o)
	steps.end()
	if err != nil {
		return describeStart(err, f)
	}
	defer func() {
		if err != nil { // the reason comes before what follows from it
			fmt.Fprintln(stderr, "localdev:", err)
			err = errFailed
		}
		err = errors.Join(err, stop(e, stderr))
	}()
	for _, w := range e.App.Warnings {
		fmt.Fprintln(stderr, "warning:", w)
	}

	closePage, err := show.serve(e, page, o.Logger)
	if err != nil {
		return err
	}
	defer closePage()

	forget, err := remember(f.workDir, state{
		PID: os.Getpid(), API: e.URL(), Lambda: e.LambdaURL(), Page: "http://" + page.Addr().String(), Redis: e.Redis.Addr(),
	})
	if err != nil {
		return err
	}
	defer forget()

	client := &http.Client{Timeout: 10 * time.Second}
	if !f.noSeed {
		if err := seed(ctx, client, e); err != nil && ctx.Err() == nil {
			fmt.Fprintln(stderr, "warning: no demo stock:", err)
		}
	}
	if err := ready(ctx, client, e); err != nil && ctx.Err() == nil {
		fmt.Fprintln(stderr, "warning:", err)
	}
	if ctx.Err() == nil {
		banner(stdout, e, page.Addr().String(), time.Since(start))
	}
	select {
	case <-ctx.Done():
		return nil
	case <-e.Redis.Done():
		return fmt.Errorf("redis has ended: %w", e.Redis.Err())
	}
}

// stop ends the emulator: softly first, and at once on another signal.
func stop(e *emulator.Emulator, stderr io.Writer) error {
	fmt.Fprintln(stderr, "\nstopping; Ctrl-C kills what is left")
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	ctx, stopSignals := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stopSignals()
	err := e.Close(ctx)
	if errors.Is(err, context.Canceled) {
		return errFailed // the user asked for it
	}
	return err
}

// describeStart adds what to do about an error that users meet.
func describeStart(err error, f upFlags) error {
	if errors.Is(err, os.ErrNotExist) && strings.Contains(err.Error(), f.template) {
		return fmt.Errorf("there is no template %s here: run localdev in the folder of the template, or name it with --template", f.template)
	}
	if errors.Is(err, context.Canceled) {
		return errFailed
	}
	return err
}
