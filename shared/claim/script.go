package claim

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/*.lua
var sources embed.FS

// effectMark is where effect.lua goes in a script, and bodyMark where the body of
// an effect goes in that.
const (
	effectMark = "--[[EFFECT]]"
	bodyMark   = "--[[BODY]]"
)

// scripts makes and keeps the scripts that an engine runs.
type scripts struct {
	source func(name string) string
	ready  sync.Map // scriptKey → *redis.Script
}

type scriptKey struct {
	name   string
	effect *Effect
}

var builtin = &scripts{source: func(name string) string {
	b, err := fs.ReadFile(sources, "scripts/"+name+".lua")
	if err != nil {
		panic(err) // the scripts are part of the program
	}
	return string(b)
}}

// get returns a script with an effect put in, or as it is if effect is nil.
func (s *scripts) get(name string, effect *Effect) *redis.Script {
	key := scriptKey{name, effect}
	if script, ok := s.ready.Load(key); ok {
		return script.(*redis.Script)
	}
	head, tail := s.text(name, effect)
	script, _ := s.ready.LoadOrStore(key, redis.NewScript(head+tail))
	return script.(*redis.Script)
}

// text is a script in two parts: the second begins with the body of the effect, if
// there is one.
func (s *scripts) text(name string, effect *Effect) (head, tail string) {
	text := s.source(name)
	if effect == nil {
		return text, ""
	}
	text = strings.Replace(text, effectMark, s.source("effect"), 1)
	head, tail, _ = strings.Cut(text, bodyMark)
	return head, effect.body + tail
}

// scriptCall is a script to be run.
type scriptCall struct {
	script *redis.Script
	keys   []string
	args   []any
}

// exec runs scripts, all on one connection and in one round trip. Redis is sent
// the text of a script only when it does not know it yet.
func (e *Engine) exec(ctx context.Context, calls ...scriptCall) ([]*redis.Cmd, error) {
	if e.opts.Replicas > 0 {
		return e.execDurably(ctx, calls)
	}
	if len(calls) == 1 {
		c := calls[0]
		return []*redis.Cmd{c.script.Run(ctx, e.rdb, c.keys, c.args...)}, nil
	}
	pipe := e.rdb.Pipeline()
	cmds := queue(ctx, pipe, calls, (*redis.Script).EvalSha)
	_, _ = pipe.Exec(ctx) // each command carries its own error
	for i, c := range calls {
		// On its own a command is followed further to where its slot has moved.
		for _, code := range []string{"NOSCRIPT", "TRYAGAIN", "MOVED", "ASK"} {
			if redis.HasErrorPrefix(cmds[i].Err(), code) {
				cmds[i] = c.script.Run(ctx, e.rdb, c.keys, c.args...)
				break
			}
		}
	}
	return cmds, nil
}

func queue(ctx context.Context, pipe redis.Pipeliner, calls []scriptCall, eval func(*redis.Script, context.Context, redis.Scripter, []string, ...any) *redis.Cmd) []*redis.Cmd {
	cmds := make([]*redis.Cmd, len(calls))
	for i, c := range calls {
		cmds[i] = eval(c.script, ctx, pipe, c.keys, c.args...)
	}
	return cmds
}

// run runs a script that answers with an array.
func (e *Engine) run(ctx context.Context, name string, effect *Effect, keys []string, args []any) ([]any, error) {
	cmds, err := e.exec(ctx, scriptCall{e.scripts.get(name, effect), keys, args})
	if err != nil {
		return nil, fmt.Errorf("claim: %s: %w", name, err)
	}
	answer, err := cmds[0].Slice()
	if err != nil {
		return nil, fmt.Errorf("claim: %s: %w", name, err)
	}
	if len(answer) == 0 {
		return nil, fmt.Errorf("%w: %s: nothing", errProtocol, name)
	}
	return answer, nil
}

// runBatch runs a script that answers with one array for each item of a batch.
func (e *Engine) runBatch(ctx context.Context, name string, effect *Effect, keys []string, args []any, items int) ([]reply, error) {
	rows, err := e.run(ctx, name, effect, keys, args)
	if err != nil {
		return nil, err
	}
	if len(rows) != items {
		return nil, fmt.Errorf("%w: %s: %d answers for %d", errProtocol, name, len(rows), items)
	}
	replies := make([]reply, items)
	for i, row := range rows {
		r, ok := row.([]any)
		if !ok || len(r) == 0 {
			return nil, fmt.Errorf("%w: %s: %v", errProtocol, name, row)
		}
		replies[i] = r
	}
	return replies, nil
}

// reply is the answer of a script for one item: a word, and what belongs to it.
type reply []any

func (r reply) word() string { return r.text(0) }

func (r reply) text(i int) string {
	if i >= len(r) {
		return ""
	}
	switch v := r[i].(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	default:
		return ""
	}
}

// number is 0 where the field is missing or is no number.
func (r reply) number(i int) int64 {
	n, _ := strconv.ParseInt(r.text(i), 10, 64)
	return n
}
