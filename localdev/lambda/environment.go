package lambda

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"photofinish/localdev/process"
)

const (
	// defaultInitTime is how long a cold start may take before the init is
	// retried as part of the invocation.
	defaultInitTime = 10 * time.Second
	// stopGrace is what a process with an internal extension gets between
	// SIGTERM and SIGKILL. Without an extension there is no SIGTERM.
	stopGrace = 500 * time.Millisecond
	// lastWords is how long a runtime that reported a failed init may take to exit.
	lastWords = 250 * time.Millisecond
)

// environment is one process of a function. The fields below the line belong to
// the function's lock.
type environment struct {
	function *function
	box      *sandbox
	launched chan struct{}              // closed when proc or startErr is there
	gone     chan struct{}              // closed when the process has ended
	deliver  chan *invocation           // holds the invocation handed over
	logging  atomic.Pointer[invocation] // that the output belongs to
	peak     atomic.Int64               // memory in bytes, as last measured
	measured atomic.Int64               // when, in Unix nanoseconds

	proc     *process.Process
	startErr error

	// ---
	state       EnvironmentState
	cold        bool // started ahead of the invocation; its init is timed apart
	ready       bool // the init is complete
	unwanted    bool // ended on purpose; its sandbox is not kept
	started     time.Time
	initTimer   *time.Timer
	initTimeout bool
	initTook    time.Duration // of a cold start, until the first report has told
	fault       *fault        // what the runtime reported before it ended
	polling     bool          // the runtime waits for an invocation
	superseded  chan struct{} // ends the request it waits with
	current     *invocation
	invocations int
	idleSince   time.Time
	extensions  map[string]*extension

	answeredRecently bool // counted in the function's answered
	answeredAt       time.Time
}

func newEnvironment(f *function, box *sandbox) *environment {
	return &environment{
		function: f, box: box, state: Starting, started: time.Now(),
		launched: make(chan struct{}), gone: make(chan struct{}), deliver: make(chan *invocation, 1),
	}
}

func (e *environment) info() EnvironmentInfo {
	i := EnvironmentInfo{Function: e.function.config.Name, ID: e.box.id, State: e.state, Started: e.started, Invocations: e.invocations}
	select {
	case <-e.launched:
		if e.proc != nil {
			i.PID = e.proc.PID()
		}
	default:
	}
	return i
}

// run starts the process, waits for its end and draws the consequences.
func (e *environment) run() {
	f := e.function
	if e.cold {
		e.platform(nil, initStartLine(f.service.region))
		f.mu.Lock()
		e.initTimer = time.AfterFunc(f.service.initTime, e.initTimedOut)
		f.mu.Unlock()
	}
	e.proc, e.startErr = e.launch()
	close(e.launched)
	if e.proc != nil {
		f.mu.Lock()
		late := e.state == Stopping && !e.unwanted // stop does its own killing
		f.mu.Unlock()
		if late {
			e.kill()
		}
		<-e.proc.Done()
	}
	close(e.gone)
	e.ended()
}

func (e *environment) launch() (*process.Process, error) {
	if err := e.box.prepare(); err != nil {
		return nil, err
	}
	c := e.function.config
	return process.Start(process.Spec{
		Path:   filepath.Join(c.Dir, "bootstrap"),
		Dir:    c.Dir,
		Env:    e.box.variables(e.function.service, c),
		Stdout: func(b []byte) { e.output("stdout", b) },
		Stderr: func(b []byte) { e.output("stderr", b) },
	})
}

func (e *environment) initTimedOut() {
	f := e.function
	f.mu.Lock()
	late := e.ready || e.state == Stopping
	if !late {
		e.initTimeout = true
		f.retire(e)
	}
	f.mu.Unlock()
	if !late {
		e.kill() // ended goes on from there
	}
}

// kill ends the process group at once, if it has been started yet; run looks
// again when it has.
func (e *environment) kill() {
	select {
	case <-e.launched:
	default:
		return
	}
	if e.proc == nil {
		return
	}
	if err := e.proc.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		e.function.service.log.Warn("lambda: kill environment", "function", e.function.config.Name, "id", e.box.id, "error", err)
	}
}

// stop ends a retired environment as Lambda's shutdown phase does.
func (e *environment) stop(ctx context.Context) error {
	<-e.launched
	if e.proc == nil {
		return nil
	}
	e.function.mu.Lock()
	grace := time.Duration(0)
	if len(e.extensions) > 0 {
		grace = stopGrace
	}
	e.function.mu.Unlock()
	if err := e.proc.Stop(ctx, grace); err != nil {
		return fmt.Errorf("lambda: stop environment %s of function %s: %w", e.box.id, e.function.config.Name, err)
	}
	return nil
}

func (e *environment) stopAndLog() {
	if err := e.stop(context.Background()); err != nil {
		e.function.service.log.Warn(err.Error())
	}
}

// handOver gives an invocation to an idle environment. Call it with the lock held.
func (e *environment) handOver(inv *invocation) {
	e.begin(inv)
	e.state, e.polling = Busy, false
	e.deliver <- inv
}

// begin starts an invocation's clock.
func (e *environment) begin(inv *invocation) {
	e.current = inv
	e.invocations++
	inv.start = time.Now()
	start := inv.start
	inv.timer = time.AfterFunc(e.function.config.Timeout, func() { e.timeOut(inv, start) })
}

// takeBack undoes a handing-over that did not reach the runtime.
func (e *environment) takeBack(inv *invocation) {
	f := e.function
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.current != inv {
		return // its end, or the timeout, came first
	}
	inv.timer.Stop()
	e.current = nil
	e.logging.Store(nil)
	e.invocations--
	f.waiting = append([]*invocation{inv}, f.waiting...)
	if e.state == Busy && e.polling {
		e.becomeIdle()
	}
	f.schedule()
}

func (e *environment) becomeIdle() {
	e.setAnswered(false)
	e.state, e.idleSince = Idle, time.Now()
	e.function.idle = append(e.function.idle, e)
}

// timeOut ends the process if it still has the invocation that it began at start.
func (e *environment) timeOut(inv *invocation, start time.Time) {
	f := e.function
	f.mu.Lock()
	late := e.current != inv || inv.start != start
	if !late {
		inv.timedOut = true
		e.initTimeout = !e.ready
		f.retire(e)
	}
	f.mu.Unlock()
	if !late {
		e.measure() // the last chance to
		e.kill()
	}
}

// setAnswered keeps count of the environments that will soon be idle again.
func (e *environment) setAnswered(yes bool) {
	if e.answeredRecently == yes {
		return
	}
	if e.answeredRecently = yes; yes {
		e.answeredAt = time.Now()
		e.function.answered++
	} else {
		e.function.answered--
	}
}
