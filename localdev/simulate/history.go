package simulate

import (
	"fmt"
	"strings"
	"time"
)

// event is a step that has happened.
type event struct {
	step  int
	at    time.Duration
	op    *op
	fault Fault
	back  []byte
	note  string
}

func (w *world) note(o *op, f Fault, back []byte) {
	e := event{step: w.steps, at: w.now(), op: o, fault: f, back: back}
	if o.kind == answer { // it may change afterwards
		e.note = fmt.Sprint(outcomesOf(o.invocation))
	}
	w.events = append(w.events, e)
}

func outcomesOf(in *invocation) string {
	if in.err != nil {
		return "error: " + in.err.Error()
	}
	var said []string
	for _, out := range in.answer.Outcomes {
		said = append(said, fmt.Sprintf("%s %s %s", out.Order, out.Outcome, out.Status))
	}
	return strings.Join(said, ", ")
}

// History tells step by step what has happened: number, time, who, what, the fault
// if there was one, and the answer.
func (o Outcome) History() string {
	var b strings.Builder
	b.WriteString(o.Plan.String())
	for _, e := range o.events {
		fmt.Fprintf(&b, "%4d %12v  %-6s %s", e.step, e.at, e.op.actor.name, o.describe(e))
		if e.fault != none {
			fmt.Fprintf(&b, "  *** %s ***", e.fault)
		}
		b.WriteByte('\n')
	}
	for _, p := range o.Problems {
		fmt.Fprintf(&b, "PROBLEM: %s\n", p)
	}
	return b.String()
}

func (o Outcome) describe(e event) string {
	switch e.op.kind {
	case request, reply:
		what := ""
		rest := e.back
		for _, cmd := range e.op.cmds {
			what += o.command(cmd)
			if len(rest) > 0 {
				var v any
				v, rest = value(rest)
				what += " → " + show(v)
			}
		}
		if e.op.kind == reply {
			what = "late reply to " + what
		}
		return what
	case push:
		return "hears " + shorten(string(e.back))
	case invoke:
		return "invokes " + string(e.op.invocation.payload)
	case answer:
		return "answers " + e.note
	default:
		return e.op.key
	}
}

// command shows a command, and a script by its name without its text.
func (o Outcome) command(cmd []string) string {
	args := cmd
	if cmd[0] == "eval" || cmd[0] == "evalsha" {
		args = append([]string{name(o.scripts, cmd)}, cmd[3:]...)
	}
	shown := make([]string, len(args))
	for i, a := range args {
		shown[i] = shorten(strings.ReplaceAll(a, "{"+warehouse+"}:", ""))
	}
	return strings.Join(shown, " ")
}

func shorten(s string) string {
	const most = 60
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ReplaceAll(s, "\r\n", " ")
}

func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case failure:
		return "error " + string(v)
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = show(x)
		}
		return "[" + strings.Join(parts, " ") + "]"
	case string:
		return shorten(v)
	default:
		return fmt.Sprint(v)
	}
}
