// Package emulator runs a SAM application on one machine: it reads the template,
// builds the functions, and serves their HTTP API and the Lambda API with the
// real binaries, next to a Redis and the services that the template declares.
// It knows nothing of what the application does.
package emulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"photofinish/localdev/build"
	"photofinish/localdev/gateway"
	"photofinish/localdev/lambda"
	"photofinish/localdev/redis"
	"photofinish/localdev/template"
)

// Options say what to run and how.
type Options struct {
	Template   string            // path of the template
	Config     string            // path of samconfig.toml; it may be missing
	ConfigEnv  string            // the environment in it; "" is default
	Parameters map[string]string // of the template; they win over those of the config
	Lenient    bool              // what cannot be emulated is a warning, and left out

	// Ports on 127.0.0.1; 0 takes any free one.
	Port, LambdaPort, RedisPort int
	// Redis is a mode of package redis: auto, embedded, server, or HOST:PORT.
	Redis string
	// BuildDir is where the functions are built; kept, so that the next start is
	// quick.
	BuildDir string
	// Scale is how many processes of a service to run, by its logical id; one
	// where it says nothing.
	Scale map[string]int

	Logger *slog.Logger
	Output func(Line) // gets every line that a function or service writes
	Step   func(Step) // gets what the start is doing; may be nil
}

// Line is a line that a function or a service wrote, or the platform about it.
type Line struct {
	Time        time.Time
	Source      string // logical id of the function or service
	Environment string // execution environment, or PID of a service
	RequestID   string
	Stream      string
	Text        string
	Platform    bool
}

// Step is one thing done at the start.
type Step struct {
	Name  string        // "read", "build", "redis", "serve"
	Text  string        // what was done
	Took  time.Duration // how long it took
	Done  int           // of Total: how many functions are built
	Total int
}

// Emulator is a running application.
type Emulator struct {
	App   *template.App
	Redis *redis.Server

	lambda   *lambda.Service
	gateway  *gateway.Handler
	servers  []*http.Server
	services *services
	api      *listener // nil without an HTTP API
	invoke   *listener
	names    map[string]string // function name → logical id
}

// Start starts an application and returns once it is served. The functions'
// processes start with their first invocation. What Start has begun when it
// fails, it ends.
func Start(ctx context.Context, o Options) (_ *Emulator, err error) {
	e := &Emulator{names: map[string]string{}}
	defer func() {
		if err != nil {
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err = errors.Join(err, e.Close(stop))
		}
	}()
	step := o.Step
	if step == nil {
		step = func(Step) {}
	}

	// All that can be wrong with the template, the ports or Redis is found before
	// anything is built.
	start := time.Now()
	load, app, err := check(o)
	if err != nil {
		return nil, err
	}
	if len(app.APIs) == 1 {
		if e.api, err = listen(ctx, "--port", o.Port); err != nil {
			return nil, err
		}
	}
	if e.invoke, err = listen(ctx, "--lambda-port", o.LambdaPort); err != nil {
		return nil, err
	}
	step(Step{Name: "read", Text: o.Template, Took: time.Since(start)})

	start = time.Now()
	if e.Redis, err = redis.Start(ctx, redis.Options{Mode: o.Redis, Port: o.RedisPort, Logger: o.Logger}); err != nil {
		return nil, err
	}
	step(Step{Name: "redis", Text: e.Redis.Kind() + " at " + e.Redis.Addr(), Took: time.Since(start)})

	dirs, err := buildAll(ctx, o, app, step)
	if err != nil {
		return nil, err
	}
	start = time.Now()
	if e.App, err = load(template.Endpoint{Host: e.Redis.Host(), Port: e.Redis.Port()}); err != nil {
		return nil, err
	}
	if err := e.serve(o, dirs); err != nil {
		return nil, err
	}
	step(Step{Name: "serve", Text: "the functions", Took: time.Since(start)})
	return e, nil
}

// Check finds what is wrong with the options and the template, without starting
// anything.
func Check(o Options) error {
	_, _, err := check(o)
	return err
}

func check(o Options) (load func(template.Endpoint) (*template.App, error), app *template.App, err error) {
	if load, err = loader(o); err != nil {
		return nil, nil, err
	}
	if app, err = load(template.Endpoint{Host: "127.0.0.1", Port: 6379}); err != nil {
		return nil, nil, err
	}
	if len(app.APIs) > 1 {
		return nil, nil, fmt.Errorf("emulator: %s has %d HTTP APIs, one can be served: %s is the second", o.Template, len(app.APIs), app.APIs[1].LogicalID)
	}
	for name := range o.Scale {
		if !isService(app, name) {
			return nil, nil, fmt.Errorf("emulator: %s has no service %q to scale", o.Template, name)
		}
	}
	return load, app, nil
}

// loader reads the template once and gives a function that resolves it for the
// Redis that there is.
func loader(o Options) (func(template.Endpoint) (*template.App, error), error) {
	config, err := template.ReadConfig(o.Config, o.ConfigEnv)
	if err != nil {
		return nil, err
	}
	parameters := map[string]string{}
	for _, from := range []map[string]string{config.Parameters, o.Parameters} {
		for name, value := range from {
			parameters[name] = value
		}
	}
	t, err := template.Parse(o.Template)
	if err != nil {
		return nil, err
	}
	return func(cache template.Endpoint) (*template.App, error) {
		return t.Resolve(template.Options{Parameters: parameters, Cache: cache, Lenient: o.Lenient})
	}, nil
}

func buildAll(ctx context.Context, o Options, app *template.App, step func(Step)) (map[string]string, error) {
	var functions []build.Function
	for _, f := range app.Functions {
		functions = append(functions, build.Function{Name: f.LogicalID, Dir: f.CodeDir})
	}
	out, err := filepath.Abs(o.BuildDir)
	if err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	if err := os.MkdirAll(out, 0o755); err != nil { //nolint:gosec // programs, for all to run
		return nil, fmt.Errorf("emulator: %w", err)
	}
	done := 0
	return build.All(ctx, out, functions, func(f build.Function, took time.Duration) {
		done++
		step(Step{Name: "build", Text: f.Name, Took: took, Done: done, Total: len(functions)})
	})
}

// URL is where the HTTP API is served, "" if there is none.
func (e *Emulator) URL() string {
	if e.api == nil {
		return ""
	}
	return e.api.url()
}

// LambdaURL is where the Lambda API is served.
func (e *Emulator) LambdaURL() string { return e.invoke.url() }

// Environments lists the execution environments; Function is the logical id.
func (e *Emulator) Environments() []lambda.EnvironmentInfo {
	all := e.lambda.Environments()
	for i := range all {
		all[i].Function = cmp.Or(e.names[all[i].Function], all[i].Function)
	}
	return all
}

// Services lists the services.
func (e *Emulator) Services() []ServiceInfo { return e.services.list() }

// Scale sets how many processes of a service run.
func (e *Emulator) Scale(name string, n int) error { return e.services.scale(name, n) }

// Close stops everything, in the order in which it depends on each other: first
// what takes requests, then the services, then the functions, then Redis. When
// ctx ends, what is left is killed.
func (e *Emulator) Close(ctx context.Context) error {
	var errs []error
	for _, s := range e.servers {
		if err := s.Shutdown(ctx); err != nil {
			errs = append(errs, s.Close())
		}
	}
	for _, l := range []*listener{e.api, e.invoke} {
		if l != nil {
			_ = l.Close() // its server has closed it already, if there was one
		}
	}
	if e.gateway != nil {
		errs = append(errs, e.gateway.Close(ctx))
	}
	if e.services != nil {
		errs = append(errs, e.services.close(ctx))
	}
	if e.lambda != nil {
		errs = append(errs, e.lambda.Close(ctx))
	}
	if e.Redis != nil {
		errs = append(errs, e.Redis.Close(ctx))
	}
	return errors.Join(errs...)
}
