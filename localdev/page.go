package main

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/localdev/console"
	"photofinish/localdev/emulator"
)

// livePage hands the lines of an emulator to its page, once there is one.
type livePage struct {
	console atomic.Pointer[console.Console]
}

func (p *livePage) line(l emulator.Line) {
	if c := p.console.Load(); c != nil {
		c.Line(console.Line{Time: l.Time, Source: l.Source, Environment: short(l.Environment), Stream: l.Stream, Text: l.Text, Platform: l.Platform})
	}
}

// serve serves the page of an emulator, until the function that it returns is
// called.
func (p *livePage) serve(e *emulator.Emulator, l net.Listener, log *slog.Logger) (closePage func(), err error) {
	rdb := redis.NewClient(&redis.Options{Addr: e.Redis.Addr(), Protocol: 2})
	c, err := console.New(console.Config{
		Redis: rdb, Warehouses: warehouses(e), API: e.URL(), Scale: e.Scale, Logger: log,
		Info: []console.Fact{
			{Name: "API", Value: e.URL()},
			{Name: "Lambda", Value: e.LambdaURL()},
			{Name: "Redis", Value: e.Redis.Kind() + " at " + e.Redis.Addr()},
			{Name: "Template", Value: filepath.Base(e.App.Path)},
		},
		Environments: func() []console.Environment {
			var all []console.Environment
			for _, v := range e.Environments() {
				all = append(all, console.Environment{Function: v.Function, ID: short(v.ID), PID: v.PID, State: string(v.State), Invocations: v.Invocations, Started: v.Started})
			}
			return all
		},
		Services: func() []console.Service {
			var all []console.Service
			for _, v := range e.Services() {
				all = append(all, console.Service{Name: v.Name, Running: len(v.PIDs), Wanted: v.Wanted, PIDs: v.PIDs, Restarts: v.Restarts})
			}
			return all
		},
	})
	if err != nil {
		_ = rdb.Close()
		return nil, err
	}
	p.console.Store(c)
	server := &http.Server{Handler: c.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("page ended", "error", err)
		}
	}()
	return func() {
		p.console.Store(nil)
		c.Close() // ends the streams of events, which Shutdown would wait for
		_ = server.Close()
		_ = rdb.Close()
	}, nil
}

// warehouses are those that the functions are told of.
func warehouses(e *emulator.Emulator) []string {
	for _, f := range e.App.Functions {
		if names := f.Environment["WAREHOUSES"]; names != "" {
			return strings.Split(names, ",")
		}
	}
	return []string{"main"}
}
