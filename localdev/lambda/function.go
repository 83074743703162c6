package lambda

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// nextTime is how long an environment that has answered may take to ask for
	// its next invocation and still be waited for, before a new one is started
	// instead. It takes a fraction of a millisecond unless the function goes on
	// working, or the machine is overloaded and another process would not help.
	nextTime = 20 * time.Millisecond
	// trustTime is how long an idle environment is taken to be alive unseen.
	trustTime = time.Millisecond
)

// pool is the concurrency that functions without a reservation share.
type pool struct {
	size int64
	used atomic.Int64
}

func (p *pool) take() bool {
	if p.used.Add(1) > p.size {
		p.used.Add(-1)
		return false
	}
	return true
}

func (p *pool) give() { p.used.Add(-1) }

// function schedules the invocations of one function. Its lock also guards its
// environments and invocations; it is never held while waiting for anything.
type function struct {
	service  *Service
	config   Config
	arn      string // unqualified
	reserved bool
	limit    int

	mu       sync.Mutex
	closed   bool
	inFlight int           // invocations waiting or running, not yet answered
	waiting  []*invocation // oldest first
	envs     map[string]*environment
	idle     []*environment // the most recently used last
	resets   []reset        // the most recent last

	// Of the environments: live can serve (again), starting will soon, and so
	// will answered, which have sent an answer and not yet asked for the next
	// invocation.
	live, starting, answered int
	recheck                  bool // a timer will look at the answered ones
}

// reset is the sandbox of an ended process, kept for the next one.
type reset struct {
	box   *sandbox
	since time.Time
}

func newFunction(s *Service, c Config) *function {
	return &function{service: s, config: c, arn: s.functionARN(c.Name), envs: map[string]*environment{}}
}

// admit takes an invocation in, or refuses it at once.
func (f *function) admit(inv *invocation) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return ErrClosed
	case f.reserved && f.inFlight >= f.limit:
		return &ThrottledError{Function: f.config.Name, Reason: ReasonReserved, Limit: f.limit}
	case !f.reserved && !f.service.pool.take():
		return &ThrottledError{Function: f.config.Name, Reason: ReasonAccount, Limit: f.limit}
	}
	f.inFlight++
	f.waiting = append(f.waiting, inv)
	f.schedule()
	return nil
}

// withdraw takes a waiting invocation back; one that runs, runs on.
func (f *function) withdraw(inv *invocation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.Index(f.waiting, inv); i >= 0 {
		f.waiting = slices.Delete(f.waiting, i, i+1)
		f.leave()
	}
}

// leave counts an invocation out.
func (f *function) leave() {
	f.inFlight--
	if !f.reserved {
		f.service.pool.give()
	}
}

// schedule gives the waiting invocations what there is: idle environments,
// else new ones, as many as are needed and allowed. It has to be called after
// every change that may let one go on. Call it with the lock held.
func (f *function) schedule() {
	for len(f.waiting) > 0 && !f.closed {
		if e := f.takeIdle(); e != nil {
			e.handOver(f.takeWaiting())
			continue
		}
		switch {
		case f.starting+f.answered >= len(f.waiting):
			f.recheckSoon()
			return
		case f.live >= f.limit:
			return
		case len(f.resets) > 0:
			last := len(f.resets) - 1
			box := f.resets[last].box
			f.resets = f.resets[:last]
			f.start(box, f.takeWaiting())
		default:
			f.start(f.service.newSandbox(), nil)
		}
	}
}

func (f *function) takeWaiting() *invocation {
	inv := f.waiting[0]
	f.waiting = slices.Delete(f.waiting, 0, 1)
	return inv
}

// takeIdle returns the environment that was used last, nil if there is none.
func (f *function) takeIdle() *environment {
	for len(f.idle) > 0 {
		last := len(f.idle) - 1
		e := f.idle[last]
		if time.Since(e.idleSince) < trustTime || e.proc.Alive() {
			f.idle[last] = nil
			f.idle = f.idle[:last]
			return e
		}
		f.retire(e)
		e.kill() // it is dead or dying; to be sure
	}
	return nil
}

// start makes an environment. With an invocation, that one is bound to it and
// its time includes the init; without, the init is Lambda's own.
func (f *function) start(box *sandbox, bound *invocation) {
	e := newEnvironment(f, box)
	f.envs[box.id] = e
	f.service.envs.Store(box.id, e)
	f.live++
	if bound == nil {
		e.cold = true
		f.starting++
	} else {
		e.begin(bound)
	}
	f.service.running.Go(e.run)
}

// retire takes an environment out of service; nothing is handed to it any more.
func (f *function) retire(e *environment) {
	switch {
	case e.state == Stopping:
		return
	case e.state == Starting && e.cold:
		f.starting--
	case e.state == Idle:
		f.removeIdle(e)
	}
	e.setAnswered(false)
	f.live--
	e.state = Stopping
}

func (f *function) removeIdle(e *environment) {
	f.idle = slices.DeleteFunc(f.idle, func(o *environment) bool { return o == e })
}

// recheckSoon makes sure that an environment that goes on working after its
// answer isn't waited for longer than nextTime.
func (f *function) recheckSoon() {
	if f.recheck || f.answered == 0 {
		return
	}
	f.recheck = true
	time.AfterFunc(nextTime, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.recheck = false
		late := time.Now().Add(-nextTime)
		for _, e := range f.envs {
			if e.answeredRecently && e.answeredAt.Before(late) {
				e.setAnswered(false)
			}
		}
		f.schedule()
	})
}

// stopIdle ends what has not been used since the given time.
func (f *function) stopIdle(since time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.idle) > 0 && f.idle[0].idleSince.Before(since) {
		e := f.idle[0]
		f.retire(e)
		e.unwanted = true
		f.service.background.Go(func() { e.stopAndLog() })
	}
	for len(f.resets) > 0 && f.resets[0].since.Before(since) {
		box := f.resets[0].box
		f.resets = slices.Delete(f.resets, 0, 1)
		f.service.background.Go(func() { f.service.discard(box) })
	}
}

// close refuses what comes, fails what waits and returns the environments that
// have to be stopped.
func (f *function) close() []*environment {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, inv := range f.waiting {
		f.settle(inv, Response{}, ErrClosed)
	}
	f.waiting = nil
	var envs []*environment
	for _, e := range f.envs {
		f.retire(e)
		e.unwanted = true
		envs = append(envs, e)
	}
	return envs
}

// settle gives an invocation its answer, once.
func (f *function) settle(inv *invocation, r Response, err error) {
	if inv.done {
		return
	}
	r.RequestID, r.ExecutedVersion, r.TraceID = inv.id, latest, inv.traceID
	inv.response, inv.err, inv.done = r, err, true
	f.leave()
	close(inv.answered)
}

func (f *function) environments() []EnvironmentInfo {
	f.mu.Lock()
	defer f.mu.Unlock()
	infos := make([]EnvironmentInfo, 0, len(f.envs))
	for _, e := range f.envs {
		infos = append(infos, e.info())
	}
	return infos
}
