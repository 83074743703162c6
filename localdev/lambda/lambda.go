// Package lambda emulates AWS Lambda on one machine: it runs the functions'
// real binaries as processes, speaks the Runtime API with them, and answers the
// Invoke API.
//
// An execution environment is one process of a function's bootstrap together
// with a temporary directory and a log stream. It serves one invocation at a
// time and is kept for the next one. When its process crashes, exits or times
// out, the directory and the log stream stay and the next invocation starts a
// new process in them, as Lambda does.
//
// What differs from the real thing: the package stays where it is instead of
// /var/task (LAMBDA_TASK_ROOT and the working directory say where), /tmp is the
// machine's own, so each environment has a private TMPDIR, and memory and
// ephemeral storage are reported but not limited.
package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	defaultIdleTimeout = 5 * time.Minute
	defaultRegion      = "us-east-1"
	defaultAccountID   = "123456789012"
	// accountConcurrency is Lambda's default limit of one account and region;
	// functions without a reservation share what the reservations leave, which
	// may not be less than minUnreserved.
	accountConcurrency = 1000
	minUnreserved      = 100
)

// ErrClosed is returned for invocations that the service's end cut short or refused.
var ErrClosed = errors.New("lambda: service closed")

// Options are the settings of a Service. The zero value is usable.
type Options struct {
	// Region and AccountID appear in ARNs; defaults us-east-1 and 123456789012.
	Region, AccountID string
	// Logger receives the service's own warnings; nil discards them.
	Logger *slog.Logger
	// Output receives every log line, one call at a time, in order. A slow
	// Output never holds up a function for long: up to 16 MiB of lines wait
	// for it; beyond that a function's next line waits at most one second, and
	// then lines are dropped, and counted in a platform line, until Output has
	// caught up. nil discards the lines.
	Output func(Line)
	// TempDir is where the environments' temporary directories are made;
	// default is the system's. All are removed by Close.
	TempDir string
	// IdleTimeout is how long an unused environment is kept; default 5 minutes.
	IdleTimeout time.Duration
}

// Service runs functions. It is safe for concurrent use.
type Service struct {
	region, account string
	log             *slog.Logger
	out             *logQueue // nil: nobody listens
	root            string    // holds the temporary directories
	idleTimeout     time.Duration
	initTime        time.Duration

	functions map[string]*function
	pool      *pool
	envs      sync.Map // environment id → *environment, for the Runtime API

	runtime    *runtimeServer
	running    sync.WaitGroup // environments
	background sync.WaitGroup // the reaper and what it started
	closing    chan struct{}
	closeOnce  sync.Once
	closeErr   error
}

// EnvironmentState is where an execution environment is in its life.
type EnvironmentState string

// The states of an execution environment.
const (
	Starting EnvironmentState = "starting" // its process has not asked for an invocation yet
	Idle     EnvironmentState = "idle"     // it waits for an invocation
	Busy     EnvironmentState = "busy"     // it has an invocation, or has answered one and not asked for the next
	Stopping EnvironmentState = "stopping" // its process is being ended
)

// EnvironmentInfo describes one execution environment.
type EnvironmentInfo struct {
	Function    string
	ID          string
	PID         int // 0 until the process runs
	State       EnvironmentState
	Started     time.Time // of the process
	Invocations int       // handed to this process
}

// New starts the Runtime API on a free port of 127.0.0.1 and makes the functions
// invokable. No process is started before its first invocation. Call Close to
// release everything. The error names the function and the setting at fault.
func New(o Options, functions []Config) (*Service, error) {
	s := &Service{
		region: o.Region, account: o.AccountID, log: o.Logger, idleTimeout: o.IdleTimeout, initTime: defaultInitTime,
		functions: make(map[string]*function, len(functions)),
		closing:   make(chan struct{}),
	}
	if s.region == "" {
		s.region = defaultRegion
	}
	if s.account == "" {
		s.account = defaultAccountID
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.idleTimeout <= 0 {
		s.idleTimeout = defaultIdleTimeout
	}
	if err := s.add(functions); err != nil {
		return nil, err
	}
	root, err := os.MkdirTemp(o.TempDir, "localdev-lambda-")
	if err != nil {
		return nil, fmt.Errorf("lambda: temporary directory: %w", err)
	}
	s.root = root
	if s.runtime, err = newRuntimeServer(s.serveRuntime); err != nil {
		return nil, errors.Join(fmt.Errorf("lambda: runtime API: %w", err), os.RemoveAll(root))
	}
	if o.Output != nil {
		s.out = newLogQueue(o.Output)
	}
	s.background.Go(s.reap)
	return s, nil
}

// add checks the functions' settings and registers them.
func (s *Service) add(functions []Config) error {
	unreserved := accountConcurrency
	for _, c := range functions {
		c, err := c.checked()
		if err != nil {
			return err
		}
		if s.functions[c.Name] != nil {
			return fmt.Errorf("lambda: function %s: configured twice", c.Name)
		}
		if c.ReservedConcurrency != nil {
			unreserved -= *c.ReservedConcurrency
		}
		s.functions[c.Name] = newFunction(s, c)
	}
	if unreserved < minUnreserved {
		return fmt.Errorf("lambda: ReservedConcurrency: all functions together reserve %d of the account's %d, which leaves less than %d for the others",
			accountConcurrency-unreserved, accountConcurrency, minUnreserved)
	}
	s.pool = &pool{size: int64(unreserved)}
	for _, f := range s.functions {
		if f.reserved = f.config.ReservedConcurrency != nil; f.reserved {
			f.limit = *f.config.ReservedConcurrency
		} else {
			f.limit = unreserved
		}
	}
	return nil
}

// Environments lists the execution environments that have a process or are
// getting one, oldest first.
func (s *Service) Environments() []EnvironmentInfo {
	var all []EnvironmentInfo
	for _, f := range s.functions {
		all = append(all, f.environments()...)
	}
	slices.SortFunc(all, func(a, b EnvironmentInfo) int {
		if c := a.Started.Compare(b.Started); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}

// reap stops the environments nobody has used for a while.
func (s *Service) reap() {
	tick := time.NewTicker(min(max(s.idleTimeout/4, time.Millisecond), 30*time.Second))
	defer tick.Stop()
	for {
		select {
		case <-s.closing:
			return
		case now := <-tick.C:
			for _, f := range s.functions {
				f.stopIdle(now.Add(-s.idleTimeout))
			}
		}
	}
}

// Close ends everything: waiting and running invocations fail with ErrClosed,
// processes are killed, except that those with an internal extension get
// SIGTERM and 500 ms (less if ctx ends). It returns when all processes are gone
// and the last log line has been delivered, or ctx has ended meanwhile.
func (s *Service) Close(ctx context.Context) error {
	s.closeOnce.Do(func() { s.closeErr = s.shutdown(ctx) })
	return s.closeErr
}

func (s *Service) shutdown(ctx context.Context) error {
	close(s.closing)
	var errs []error
	stopped := make(chan error)
	environments := 0
	for _, f := range s.functions {
		for _, e := range f.close() {
			environments++
			go func() { stopped <- e.stop(ctx) }()
		}
	}
	for range environments {
		errs = append(errs, <-stopped)
	}
	if errors.Join(errs...) == nil { // else a process is stuck, and so is its environment
		s.running.Wait()
	}
	// The listener goes after the processes, or they would log its absence.
	errs = append(errs, s.runtime.close())
	s.background.Wait()
	if s.out != nil {
		errs = append(errs, s.out.close(ctx))
	}
	if err := os.RemoveAll(s.root); err != nil {
		errs = append(errs, fmt.Errorf("lambda: temporary directory: %w", err))
	}
	return errors.Join(errs...)
}
