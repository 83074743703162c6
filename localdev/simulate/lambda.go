package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/redis/go-redis/v9"

	"photofinish/functions/inventory/picking"
	"photofinish/shared/delivery"
)

// environment is an execution environment of the inventory function: a process
// with one contender, for one invocation at a time.
type environment struct {
	actor     *actor
	rdb       *redis.Client
	contender handler
	busy      *invocation
}

// invocation is one call of the function, and its answer to whoever waits.
type invocation struct {
	payload []byte
	out     chan invoked // nil: nobody waits
	env     *environment
	timer   *time.Timer

	answer delivery.Answer
	err    error
	failed string // how the environment ended instead
}

type invoked struct {
	out *lambda.InvokeOutput
	err error
}

// said is what a contender has said of an order.
type said struct {
	delivery.Outcome
	contender string
}

var (
	errThrottled = errors.New("TooManyRequestsException: Rate exceeded")
	errNetwork   = errors.New("the connection to Lambda was reset")
)

// invoke is a call that has come to Lambda.
func (w *world) invoke(o *op, f Fault) {
	w.note(o, f, nil)
	in := o.invocation
	switch f {
	case requestLost:
		in.reply(nil, errNetwork)
		return
	case throttled:
		in.reply(nil, errThrottled)
		return
	case crashAfter:
		w.crash(o.actor)
	case freezeAfter:
		o.actor.frozen = w.now() + w.aWhile()
	case twice:
		if e := w.free(); e != nil {
			w.begin(e, &invocation{payload: in.payload})
		}
	}
	e := w.free()
	if e == nil {
		in.reply(nil, errThrottled)
		return
	}
	w.begin(e, in)
}

// free is an environment that has nothing to do, or nil.
func (w *world) free() *environment {
	used := 0
	for _, e := range w.envs {
		switch {
		case e.actor.dead.Load():
		case e.busy == nil:
			return e
		default:
			used++
		}
	}
	if used >= w.plan.Environments {
		return nil
	}
	name := fmt.Sprintf("c%d", len(w.envs)+1)
	e := &environment{actor: w.actor(name, racer)}
	e.actor.env = e
	e.rdb = w.client(e.actor)
	c, err := picking.New(e.rdb, picking.Settings{
		Name: name, LockTTL: w.plan.Lease, Retention: 24 * time.Hour,
		MaxDeliveries: w.plan.MaxDeliveries, ProcessingTime: w.plan.Work,
	}, nil, silent)
	if err != nil {
		panic(err) // the plan's fault
	}
	e.contender = c
	w.envs = append(w.envs, e)
	return e
}

var silent = slog.New(slog.DiscardHandler)

// handler is what an environment runs.
type handler interface {
	Handle(ctx context.Context, b delivery.Batch) (delivery.Answer, error)
}

// begin runs an invocation in an environment.
func (w *world) begin(e *environment, in *invocation) {
	e.busy, in.env = in, e
	in.timer = time.AfterFunc(w.plan.Timeout, func() {
		w.post(&op{actor: w.lambda, kind: act, key: "time is up for " + e.actor.name, do: func() { w.timeUp(e, in) }})
	})
	ctx, cancel := context.WithTimeout(w.root, w.plan.Timeout)
	w.wg.Go(func() {
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				w.later(0, e.actor.name+" panics", func() { w.problem("%s panics: %v\n%s", e.actor.name, p, debug.Stack()) })
			}
		}()
		var b delivery.Batch
		if in.err = json.Unmarshal(in.payload, &b); in.err == nil {
			in.answer, in.err = e.contender.Handle(ctx, b)
		}
		w.post(&op{actor: e.actor, kind: answer, key: "answer", invocation: in})
	})
}

// timeUp kills an environment that has not answered in time.
func (w *world) timeUp(e *environment, in *invocation) {
	if e.busy == in && !e.actor.dead.Load() {
		in.failed = "Task timed out"
		w.crash(e.actor)
	}
}

// exited answers for an environment that has crashed.
func (w *world) exited(e *environment) {
	in := e.busy
	if in == nil {
		return
	}
	if in.failed == "" {
		in.failed = "Runtime exited with error: exit status 2"
	}
	in.timer.Stop()
	w.later(time.Millisecond, "end of "+e.actor.name, func() { in.fail("Runtime.ExitError", in.failed) })
}

// answer is an answer that has come to Lambda, and goes on to the bridge.
func (w *world) answer(o *op, f Fault) {
	in := o.invocation
	in.timer.Stop()
	in.env.busy = nil
	w.note(o, f, nil)
	for _, out := range in.answer.Outcomes {
		w.outcomes = append(w.outcomes, said{out, in.answer.Contender})
	}
	if f == silence {
		return
	}
	if in.err != nil {
		kind := "errorString"
		var away *delivery.UnavailableError
		if errors.As(in.err, &away) {
			kind = delivery.UnavailableType
		}
		in.fail(kind, in.err.Error())
		return
	}
	payload, err := json.Marshal(in.answer)
	if err != nil {
		panic(err)
	}
	if w.flaw.AckAnswers {
		w.acknowledge(in)
	}
	in.reply(&lambda.InvokeOutput{StatusCode: 200, Payload: payload}, nil)
}

// acknowledge is the flaw of a bridge that takes an answer for the end of orders.
func (w *world) acknowledge(in *invocation) {
	var b delivery.Batch
	if err := json.Unmarshal(in.payload, &b); err != nil {
		panic(err)
	}
	for _, d := range b.Deliveries {
		run(w.wire, encode([]string{"XACK", w.stream(), "bridge", d.Entry}))
		run(w.wire, encode([]string{"XDEL", w.stream(), d.Entry}))
	}
	w.settled = true
}

func (in *invocation) fail(kind, message string) {
	payload, err := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
	if err != nil {
		panic(err)
	}
	in.reply(&lambda.InvokeOutput{StatusCode: 200, FunctionError: new("Unhandled"), Payload: payload}, nil)
}

func (in *invocation) reply(out *lambda.InvokeOutput, err error) {
	if in.out != nil {
		in.out <- invoked{out, err}
	}
}
