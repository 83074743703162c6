package simulate

import (
	"bytes"
	"slices"
	"strings"
	"testing/synctest"
	"time"
)

// kind is what a step is.
type kind int

const (
	request kind = iota // to Redis
	reply               // of Redis, where it does not come at once
	push                // a published message
	invoke              // from a bridge to Lambda
	answer              // from a contender to Lambda, and on to the bridge
	act                 // whatever else happens at some time: do
)

// op is something that is about to happen.
type op struct {
	actor *actor
	kind  kind
	key   string // tells it from others of the kind and actor
	after time.Duration

	link       *link
	cmds       [][]string
	calls      []*Call
	back       []byte // the reply
	blocking   bool   // it has been tried
	until      time.Duration
	seen       int
	sent       int // step and time of the request
	sentAt     time.Duration
	detached   bool // on its way although its process has crashed
	invocation *invocation
	do         func()
}

// post hands over what is about to happen, from any goroutine.
func (w *world) post(o *op) {
	w.mu.Lock()
	w.posted = append(w.posted, o)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// loop lets one thing happen after the other, until a condition holds.
func (w *world) loop(until func() bool) {
	for {
		synctest.Wait()
		w.take()
		if until() {
			return
		}
		ready, next := w.ready()
		switch {
		case len(ready) == 0:
			w.sleep(next)
		case w.dice.IntN(4) == 0: // meanwhile timers go off
			time.Sleep(time.Duration(1+w.dice.IntN(8000)) * time.Microsecond)
		default:
			w.step(ready[w.dice.IntN(len(ready))])
		}
	}
}

// sleep waits until something is about to happen, or until next.
func (w *world) sleep(next time.Duration) {
	timer := time.NewTimer(next - w.now())
	defer timer.Stop()
	select {
	case <-w.wake:
	case <-timer.C:
	}
}

// take takes in what was handed over, in an order that does not depend on which
// goroutine was first.
func (w *world) take() {
	w.hear()
	w.mu.Lock()
	fresh := w.posted
	w.posted = nil
	w.mu.Unlock()
	for _, o := range fresh {
		o.sent, o.sentAt = w.steps, w.now()
		if !o.actor.dead.Load() {
			w.ops = append(w.ops, o)
		}
	}
	slices.SortFunc(w.ops, func(a, b *op) int {
		if a.actor.index != b.actor.index {
			return a.actor.index - b.actor.index
		}
		if a.kind != b.kind {
			return int(a.kind - b.kind)
		}
		if c := strings.Compare(a.key, b.key); c != 0 {
			return c
		}
		return a.sent - b.sent
	})
}

// hear makes steps of what Redis has published.
func (w *world) hear() {
	if !w.published {
		return
	}
	w.published = false
	for _, l := range w.subs {
		if b := drain(l.sub); len(b) > 0 && !l.closed() && !l.actor.dead.Load() {
			w.post(&op{actor: l.actor, kind: push, key: string(b), link: l, back: b})
		}
	}
}

// hears brings a published message.
func (w *world) hears(o *op) {
	if !o.link.deliver(o.back) {
		return
	}
	for _, p := range w.plan.Orders {
		if bytes.Contains(o.back, []byte(`"orderId":"`+p.ID+`"`)) {
			w.heard = append(w.heard, heard{o.actor, p.ID})
		}
	}
}

// ready are the steps that can happen now, and when there may be more.
func (w *world) ready() (ready []*op, next time.Duration) {
	now := w.now()
	next = now + time.Minute
	for _, o := range w.ops {
		at := o.after
		if !o.detached {
			at = max(at, o.actor.frozen)
		}
		if o.blocking && o.seen == w.adds {
			at = max(at, o.until)
		}
		if at <= now {
			ready = append(ready, o)
		} else {
			next = min(next, at)
		}
	}
	return ready, next
}

func (w *world) remove(o *op) {
	w.ops = slices.DeleteFunc(w.ops, func(x *op) bool { return x == o })
}

// step lets one thing happen, or a fault instead.
func (w *world) step(o *op) {
	f := w.fault(o)
	switch f {
	case none, replyLost, silence, slowReply, freezeAfter, crashAfter:
		if o.kind == request && w.waits(o) {
			return
		}
	}
	w.steps++
	switch f {
	case delay:
		o.after = w.now() + w.aWhile()
		w.note(o, f, nil)
		return
	case freezeBefore:
		o.actor.frozen = w.now() + w.aWhile()
		w.note(o, f, nil)
		return
	case crashBefore:
		w.remove(o)
		w.note(o, f, nil)
		w.crash(o.actor)
		return
	}
	w.remove(o)
	switch o.kind {
	case request:
		w.request(o, f)
	case reply:
		w.note(o, f, o.back)
		w.bring(o)
	case push:
		w.note(o, f, o.back)
		w.hears(o)
	case invoke:
		w.invoke(o, f)
	case answer:
		w.answer(o, f)
	case act:
		w.note(o, f, nil)
		o.do()
	}
}

// crash ends a process. What it had sent may still come.
func (w *world) crash(a *actor) {
	a.dead.Store(true)
	var left []*op
	for _, o := range w.ops {
		if o.actor == a && !o.detached {
			if o.kind != request && o.kind != invoke || w.dice.IntN(2) == 0 {
				continue
			}
			o.detached = true
		}
		left = append(left, o)
	}
	w.ops = left
	switch a.role {
	case racer:
		w.exited(a.env)
	case server:
		w.later(pick(w.dice, 100, 1000, 4000), "start a bridge", w.startBridge)
	}
}

// later lets something happen after a time.
func (w *world) later(d time.Duration, what string, do func()) {
	w.post(&op{actor: w.lambda, kind: act, key: what, after: w.now() + d, do: do})
}
