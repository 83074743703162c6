package emulator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"photofinish/localdev/gateway"
	"photofinish/localdev/lambda"
	"photofinish/localdev/template"
)

// serve starts the Lambda API, the HTTP API and the services.
func (e *Emulator) serve(o Options, dirs map[string]string) error {
	output := o.Output
	if output == nil {
		output = func(Line) {}
	}
	byID := map[string]template.Function{}
	var functions []lambda.Config
	for _, f := range e.App.Functions {
		byID[f.LogicalID] = f
		e.names[f.Name] = f.LogicalID
		if !f.Service {
			functions = append(functions, lambda.Config{
				Name: f.Name, Dir: dirs[f.LogicalID], Handler: f.Handler, Env: f.Environment,
				Timeout: f.Timeout, MemoryMB: f.MemoryMB,
				ReservedConcurrency: f.ReservedConcurrency, EphemeralStorageMB: f.EphemeralStorageMB,
			})
		}
	}
	var err error
	e.lambda, err = lambda.New(lambda.Options{
		Logger: o.Logger,
		Output: func(l lambda.Line) {
			output(Line{
				Time: l.Time, Source: e.names[l.Function], Environment: l.Environment, RequestID: l.RequestID,
				Stream: l.Stream, Text: l.Text, Platform: l.Platform,
			})
		},
	}, functions)
	if err != nil {
		return err
	}
	e.start(e.invoke, e.lambda.Handler(), o)

	for _, api := range e.App.APIs {
		if e.gateway, err = gateway.New(e.gatewayConfig(api, byID, o)); err != nil {
			return err
		}
		e.start(e.api, e.gateway, o)
	}

	e.services = newServices(o.Logger, output, e.invoke.url())
	for _, f := range e.App.Functions {
		if !f.Service {
			continue
		}
		n, given := o.Scale[f.LogicalID]
		if !given {
			n = 1
		}
		if err := e.services.add(f, dirs[f.LogicalID], n); err != nil {
			return err
		}
	}
	return nil
}

// start serves a handler until Close.
func (e *Emulator) start(l *listener, h http.Handler, o Options) {
	// The gateway limits headers itself, by the rules of API Gateway.
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute, MaxHeaderBytes: 64 << 10}
	e.servers = append(e.servers, s)
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			o.Logger.Error("server ended", "address", l.Addr().String(), "error", err)
		}
	}()
}

func (e *Emulator) gatewayConfig(api template.API, byID map[string]template.Function, o Options) gateway.Config {
	c := gateway.Config{
		Stage: api.Stage, StageVariables: api.StageVariables, APIID: api.ID, Logger: o.Logger,
		Invoke: func(ctx context.Context, function string, event []byte) (gateway.Result, error) {
			response, err := e.lambda.Invoke(ctx, lambda.Request{Function: function, Payload: event})
			var throttled *lambda.ThrottledError
			if errors.As(err, &throttled) {
				return gateway.Result{}, fmt.Errorf("%w: %w", gateway.ErrThrottled, err)
			}
			return gateway.Result{Payload: response.Payload, FunctionError: response.FunctionError != ""}, err
		},
	}
	for _, r := range api.Routes {
		c.Routes = append(c.Routes, gateway.Route{Method: r.Method, Path: r.Path, Function: byID[r.FunctionID].Name, Timeout: r.Timeout})
	}
	if cors := api.CORS; cors != nil {
		c.CORS = &gateway.CORS{
			AllowOrigins: cors.AllowOrigins, AllowMethods: cors.AllowMethods, AllowHeaders: cors.AllowHeaders,
			ExposeHeaders: cors.ExposeHeaders, MaxAge: cors.MaxAge, AllowCredentials: cors.AllowCredentials,
		}
	}
	return c
}

func isService(app *template.App, name string) bool {
	for _, f := range app.Functions {
		if f.LogicalID == name {
			return f.Service
		}
	}
	return false
}
