// Package console is the live page of the emulator: for every order, which
// contenders raced for it and who won, beside the stock, the dead letters, the
// processes and their log lines.
//
// What Redis holds is read while somebody watches and not otherwise. Races are
// told by the contenders' own log lines, which are given to Line. The page is
// for the machine that it runs on: it answers to loopback names alone.
package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
)

// Config says what the page shows and what it may do.
type Config struct {
	// Redis is read for the orders and the stock.
	Redis redis.UniversalClient
	// Warehouses are the partitions shown, at least one.
	Warehouses []string
	// API is the base URL of the local HTTP API, such as http://127.0.0.1:3000.
	// Without one the page cannot place orders.
	API string
	// Info is what runs where; the page's header lists it.
	Info []Fact
	// Environments lists the execution environments. Nil: there are none.
	Environments func() []Environment
	// Services lists the services. Nil: there are none.
	Services func() []Service
	// Scale sets how many processes of a service run. Nil: the page cannot. The
	// text of its error is shown.
	Scale func(name string, n int) error
	// Logger gets what goes wrong in the console itself. Nil: nothing does.
	Logger *slog.Logger
}

// Fact is one thing to know about the running emulator.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Environment is an execution environment of a function.
type Environment struct {
	Function    string    `json:"function"`
	ID          string    `json:"id"`
	PID         int       `json:"pid"` // 0 until its process runs
	State       string    `json:"state"`
	Invocations int       `json:"invocations"`
	Started     time.Time `json:"started,omitzero"`
}

// Service is a function that runs on as processes.
type Service struct {
	Name     string `json:"name"`
	Running  int    `json:"running"`
	Wanted   int    `json:"wanted"`
	PIDs     []int  `json:"pids"`
	Restarts int    `json:"restarts"`
}

// Line is a line that a function or a service wrote, or the platform about it.
type Line struct {
	Time        time.Time
	Source      string // name of the function or service
	Environment string
	Stream      string
	Text        string
	Platform    bool
}

const (
	// pollEvery is how often Redis is read while somebody watches.
	pollEvery = 250 * time.Millisecond
	// freshFor is how long what was read is good enough for another request. A
	// little less than pollEvery, so that no tick is missed by a hair.
	freshFor = pollEvery * 4 / 5
	// pollTimeout is how long Redis may take.
	pollTimeout = 2 * time.Second
	// stallTimeout is how long a subscriber may leave a write waiting.
	stallTimeout = 5 * time.Second
	// maxSubscribers bounds how many pages are open at once.
	maxSubscribers = 32
)

// Console is the live page. It is safe for concurrent use.
type Console struct {
	cfg     Config
	log     *slog.Logger
	engines map[string]*claim.Engine
	races   *races
	lines   *lines
	handler http.Handler
	proxy   *proxy // nil without an API
	stall   time.Duration

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	watched atomic.Int32 // subscribers
	current atomic.Pointer[snapshot]

	mu      sync.Mutex // guards closed, against work that begins while Close waits
	closed  bool
	running sync.WaitGroup

	reading sync.Mutex // held while Redis is read; guards the following
	readAt  time.Time
	seen    view
	peaks   map[string]int64 // warehouse → highest level seen
}

// New makes a console. It does not talk to Redis until somebody watches. Call
// Close to release what it holds.
func New(cfg Config) (*Console, error) {
	if cfg.Redis == nil {
		return nil, errors.New("console: Config.Redis is missing")
	}
	if len(cfg.Warehouses) == 0 {
		return nil, errors.New("console: Config.Warehouses is empty: name at least one")
	}
	c := &Console{
		cfg: cfg, log: cfg.Logger, stall: stallTimeout,
		engines: make(map[string]*claim.Engine, len(cfg.Warehouses)),
		races:   newRaces(cfg.Warehouses), lines: &lines{}, peaks: map[string]int64{},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	for _, name := range cfg.Warehouses {
		if c.engines[name] != nil {
			return nil, fmt.Errorf("console: Config.Warehouses: %s is named twice", name)
		}
		engine, err := claim.Open(cfg.Redis, name, claim.Options{})
		if err != nil {
			return nil, fmt.Errorf("console: Config.Warehouses: %w", err)
		}
		c.engines[name] = engine
	}
	if cfg.API != "" {
		target, err := url.Parse(cfg.API)
		if err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Host == "" {
			return nil, fmt.Errorf("console: Config.API: %q is not a base URL such as http://127.0.0.1:3000", cfg.API)
		}
		c.proxy = newProxy(target, c.log)
	}
	files, err := loadFiles()
	if err != nil {
		return nil, err
	}
	c.handler = c.routes(files)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.running.Go(c.watch)
	return c, nil
}

// Line takes a log line. It does not wait for anybody who watches.
func (c *Console) Line(l Line) {
	if l.Time.IsZero() {
		l.Time = time.Now()
	}
	if !l.Platform {
		c.races.line(l)
	}
	c.lines.add(l)
}

// Handler serves the page.
func (c *Console) Handler() http.Handler { return c.handler }

// Close ends what is going on and sends every subscriber away. An HTTP server
// waits for its requests when it is shut down, so close the console first.
func (c *Console) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.running.Wait()
	if c.proxy != nil {
		c.proxy.close()
	}
}

// begin reports whether there is room for another subscriber, and counts it in.
func (c *Console) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.watched.Load() >= maxSubscribers {
		return false
	}
	c.watched.Add(1)
	c.running.Add(1)
	return true
}

func (c *Console) end() {
	c.watched.Add(-1)
	c.running.Done()
}
