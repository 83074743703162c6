package simulate

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // what Redis names scripts by
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// waits tries a read that waits for orders, and reports whether it has to wait on.
// It stays where it is until something was put into the stream or its time is up.
// Redis is asked without waiting: which of several that wait is served first is
// for the dice to say.
func (w *world) waits(o *op) bool {
	at := slices.Index(o.cmds[0], "block")
	if at < 0 {
		return false
	}
	if o.link.closed() && !o.detached {
		w.remove(o) // Redis has seen that the connection ended
		return true
	}
	if !o.blocking {
		ms, err := strconv.Atoi(o.cmds[0][at+1])
		if err != nil {
			panic(err)
		}
		o.blocking, o.until = true, w.now()+time.Duration(ms)*time.Millisecond
	}
	o.seen = w.adds
	args := slices.Delete(slices.Clone(o.cmds[0]), at, at+2)
	o.back = run(w.wire, encode(args))
	return isNil(o.back) && w.now() < o.until
}

// request runs a request, and brings the reply if all goes well.
func (w *world) request(o *op, f Fault) {
	if f == requestLost {
		w.note(o, f, nil)
		o.link.end(errReset)
		return
	}
	if !o.blocking {
		o.back = w.run(o)
	}
	crashed := w.observe(o)
	if crashed && f != crashAfter {
		f = crashAfter
	}
	w.note(o, f, o.back)
	switch f {
	case replyLost:
		o.link.end(errReset)
	case silence:
	case slowReply:
		w.hold(o, w.now()+w.aWhile())
	case freezeAfter:
		o.actor.frozen = w.now() + w.aWhile()
		w.hold(o, 0)
	case crashAfter:
		if !o.actor.dead.Load() {
			w.crash(o.actor)
		}
	default:
		w.bring(o)
	}
}

// hold lets the reply of a request be a step of its own.
func (w *world) hold(o *op, after time.Duration) {
	if o.detached {
		return
	}
	held := *o
	held.kind, held.after, held.blocking = reply, after, false
	w.post(&held)
}

// bring hands the reply over. Only then is known what has come of the calls.
func (w *world) bring(o *op) {
	if o.actor.dead.Load() || !o.link.deliver(o.back) {
		return
	}
	for _, c := range o.calls {
		c.known, c.ret, c.to = true, 2*w.steps, w.now()
	}
}

// run runs the commands of a request.
func (w *world) run(o *op) []byte {
	c := w.wire
	switch strings.ToLower(o.cmds[0][0]) {
	case "subscribe":
		if o.link.sub == nil {
			o.link.sub = wire(w.redis)
			w.subs = append(w.subs, o.link)
		}
		c = o.link.sub
	case "unsubscribe", "ping":
		if o.link.sub != nil {
			c = o.link.sub
		}
	}
	sent := []byte(o.key)
	for _, cmd := range o.cmds {
		if cmd[0] != "eval" {
			continue
		}
		w.scripts[hash(cmd[1])] = scriptName(cmd[1])
	}
	if w.flaw.Script != nil {
		sent = w.flawed(o.cmds)
	}
	return run(c, sent)
}

// flawed is a request with the flaw in its scripts. Redis still knows the flawed
// script by the hash of the right one only if it is sent the text each time.
func (w *world) flawed(cmds [][]string) []byte {
	var b []byte
	for _, cmd := range cmds {
		cmd = slices.Clone(cmd)
		switch cmd[0] {
		case "eval":
			text := w.flaw.Script(scriptName(cmd[1]), cmd[1])
			flawedTexts.Store(hash(cmd[1]), cmd[1])
			cmd[1] = text
		case "evalsha":
			if name := w.scripts[cmd[1]]; name != "" {
				text, _ := flawedTexts.Load(cmd[1])
				cmd[0], cmd[1] = "eval", w.flaw.Script(name, text.(string))
			}
		}
		b = append(b, encode(cmd)...)
	}
	return b
}

var flawedTexts sync.Map // SHA-1 → text as it was sent; a pure function, so it may be shared

// scriptName is the name at the top of a script.
func scriptName(text string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(text, "-- "), ":")
	return name
}

var hashes sync.Map // text → its SHA-1

func hash(text string) string {
	if h, ok := hashes.Load(text); ok {
		return h.(string)
	}
	sum := sha1.Sum([]byte(text)) //nolint:gosec // as above
	h := hex.EncodeToString(sum[:])
	hashes.Store(text, h)
	return h
}

// name is the name of the script that a command runs, or of the command.
func (w *world) name(cmd []string) string { return name(w.scripts, cmd) }

func name(scripts map[string]string, cmd []string) string {
	switch cmd[0] {
	case "eval":
		return scriptName(cmd[1])
	case "evalsha":
		return scripts[cmd[1]]
	}
	return cmd[0]
}

// observe notes what has come of a request that has run. It reports whether that
// was one that its process does not survive.
func (w *world) observe(o *op) (crashes bool) {
	rest := o.back
	for _, cmd := range o.cmds {
		if len(rest) == 0 {
			break // a subscription answers on its own
		}
		var v any
		v, rest = value(rest)
		if err, bad := v.(failure); bad {
			if !bytes.HasPrefix([]byte(err), []byte("NOSCRIPT")) && !strings.HasPrefix(string(err), "BUSYGROUP") {
				w.problem("%s answers %s: %s", w.name(cmd), o.actor.name, err)
			}
			continue
		}
		n := w.name(cmd)
		switch n {
		case "place":
			w.adds++
			w.settled, w.published = true, true
		case "publish":
			w.published = true
		case "settle", "release", "deadletter", "take":
			w.settled = true
		}
		calls := callsOf(n, cmd, v)
		for _, c := range calls {
			c.Caller, c.call, c.from, c.ret, c.to = o.actor.name, 2*o.sent+1, o.sentAt, forever, foreverAt
			crashes = crashes || n == "claim" && c.word(0) == "won" && w.kindOf(c.Order) == Crashing
		}
		o.calls = append(o.calls, calls...)
	}
	w.calls = append(w.calls, o.calls...)
	return crashes
}

func (w *world) kindOf(id string) Kind {
	for _, o := range w.plan.Orders {
		if o.ID == id {
			return o.Kind
		}
	}
	return Plain
}
