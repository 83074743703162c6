// Package simulate runs the Go code of contenders, bridges and clients on a Redis
// in memory, under a scheduler that decides from a seed what happens next and what
// goes wrong. Time is that of a testing/synctest bubble, so nobody waits for it.
//
// Every request to Redis, every reply that does not come at once, every invocation
// and every answer is a step. Between two steps all goroutines have come to rest,
// so a run is a function of its seed alone, and the seed of one that failed shows
// the same again.
package simulate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"photofinish/shared/claim"
	"photofinish/shared/claim/memory"
)

const (
	warehouse = "main"
	channel   = "order_updates"
	// patience is how long, after the last fault, all orders may take to end.
	patience = 10 * time.Minute
)

// role is what a process does.
type role int

const (
	service role = iota // Lambda itself, which never fails
	client
	server
	racer
)

// actor is a process.
type actor struct {
	name   string
	role   role
	index  int
	dead   atomic.Bool   // it has crashed
	frozen time.Duration // it stands still until then
	env    *environment  // of a contender
}

// heard is an order that a bridge has heard of.
type heard struct {
	by *actor
	id string
}

// world is one simulation.
type world struct {
	plan  Plan
	dice  *rand.Rand
	flaw  Flaw
	start time.Time
	redis *memory.Redis
	wire  net.Conn
	root  context.Context
	over  chan struct{} // closed when all is over, for those who never go on
	wg    sync.WaitGroup

	mu     sync.Mutex
	posted []*op
	wake   chan struct{}

	// Only the scheduler touches what follows.
	steps     int
	ops       []*op
	actors    []*actor
	lambda    *actor
	envs      []*environment
	bridges   []*bridgeProcess
	posts     []*clientProcess
	subs      []*link
	scripts   map[string]string // SHA-1 → name of the script
	adds      int               // how often something was put into the stream
	published bool
	heard     []heard
	stopping  bool
	settled   bool // some order may have ended since it was last looked
	faultless time.Duration
	calls     []*Call
	outcomes  []said
	events    []event
	problems  []string
}

// Flaw is a mistake that the system under test is to have. The zero value is none.
type Flaw struct {
	// Script changes the text of a script that Redis is sent.
	Script func(name, text string) string
	// AckAnswers lets every answer of a contender acknowledge its batch.
	AckAnswers bool
}

// Outcome is what came of a simulation.
type Outcome struct {
	Plan     Plan
	Problems []string // what is wrong; none is good
	Calls    []*Call
	Steps    int
	Time     time.Duration // how much time has passed in the simulation
	Faults   map[Fault]int
	States   map[claim.State]int
	events   []event
	scripts  map[string]string
}

// Run runs the simulation of a seed. It has to be called in a synctest bubble of
// its own.
func Run(seed uint64, flaw Flaw) Outcome {
	dice := rand.New(rand.NewPCG(seed, 0x70686f746f66696e))
	root, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := &world{
		plan: plan(seed, dice), dice: dice, flaw: flaw, start: time.Now(), redis: memory.Open(), root: root,
		over: make(chan struct{}), wake: make(chan struct{}, 1), scripts: map[string]string{},
	}
	w.wire = wire(w.redis)
	w.lambda = w.actor("lambda", service)
	w.setUp()
	w.loop(w.atRest)
	if len(w.problems) == 0 {
		w.stop()
		w.loop(w.stopped)
	}
	states := w.check()
	out := Outcome{
		Plan: w.plan, Calls: w.calls, Steps: w.steps, Time: w.now(), States: states,
		Faults: map[Fault]int{}, events: w.events, scripts: w.scripts,
	}
	for _, e := range w.events {
		if e.fault != none {
			out.Faults[e.fault]++
		}
	}
	out.Problems = append(out.Problems, w.problems...)
	close(w.over)
	cancel()
	w.stop()
	w.wg.Wait()
	for _, l := range w.subs {
		_ = l.sub.Close()
	}
	w.redis.Close()
	return out
}

func (w *world) now() time.Duration { return time.Since(w.start) }

func (w *world) problem(format string, args ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

func (w *world) actor(name string, r role) *actor {
	a := &actor{name: name, role: r, index: len(w.actors)}
	w.actors = append(w.actors, a)
	return a
}

func (w *world) setUp() {
	stock := []string{"HSET", "{main}:stock"}
	for _, sku := range []string{"001", "002"} {
		stock = append(stock, sku, fmt.Sprint(w.plan.Stock[sku]))
	}
	run(w.wire, encode(append(stock, "unfit", "x")))
	for range w.plan.Bridges {
		w.startBridge()
	}
	if w.plan.Shift > 0 {
		w.later(w.plan.Shift, "relieve b1", func() {
			w.bridges[0].cancel()
			w.startBridge()
		})
	}
	for _, o := range w.plan.Orders {
		for n, p := range o.Posts {
			w.startClient(o, n, p)
		}
	}
}

// atRest reports whether everything has ended that was placed, and nobody will
// place more.
func (w *world) atRest() bool {
	if w.steps >= w.plan.FaultyFor || w.plan.FaultRate == 0 {
		if w.faultless == 0 {
			w.faultless = w.now() + 1
		}
		if w.now() > w.faultless+patience {
			w.problem("not at rest %v after the last fault", patience)
			return true
		}
	}
	if !w.settled {
		return false
	}
	for _, c := range w.posts {
		if !c.done {
			return false
		}
	}
	for _, o := range w.ops {
		if o.kind == push || o.kind == request && (w.name(o.cmds[0]) == "place" || w.name(o.cmds[0]) == "") {
			return false // a script that Redis has not seen yet may be place
		}
	}
	for _, h := range w.heard {
		if !h.by.dead.Load() && w.count("EXISTS", "{"+warehouse+"}:order:"+h.id) == 0 {
			return false // the bridge is about to place it
		}
	}
	w.settled = false
	return w.count("XLEN", w.stream()) == 0
}

func (w *world) stream() string { return "{" + warehouse + "}:orders" }

// count is the number that a command answers.
func (w *world) count(args ...string) int64 {
	v, _ := value(run(w.wire, encode(args)))
	n, ok := v.(int64)
	if !ok {
		w.problem("%v answers %v", args, v)
	}
	return n
}

// stop tells the bridges to stop, and lets no other start.
func (w *world) stop() {
	w.stopping = true
	for _, b := range w.bridges {
		b.cancel()
	}
}

// stopped reports whether the bridges that live have stopped, and all contenders
// have ended, those that nobody waits for as well.
func (w *world) stopped() bool {
	if w.faultless == 0 {
		w.faultless = w.now() + 1
	}
	if w.now() > w.faultless+2*patience {
		w.problem("not stopped %v after the last fault", 2*patience)
		return true
	}
	for _, b := range w.bridges {
		if !b.stopped && !b.actor.dead.Load() {
			return false
		}
	}
	for _, e := range w.envs {
		if e.busy != nil && !e.actor.dead.Load() {
			return false
		}
	}
	return true
}
