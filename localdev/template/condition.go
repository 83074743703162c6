package template

import (
	"maps"
	"slices"
	"strings"
)

// condition is an entry of the Conditions section, evaluated when something
// first asks for it.
type condition struct {
	body  *node
	state state
	holds bool
	ok    bool // evaluated without a problem
}

// state finds circles among things that are evaluated on demand.
type state int

const (
	untouched state = iota
	evaluating
	evaluated
)

func (r *resolver) readConditions() {
	section := r.section("Conditions")
	for i, k := range section.entries() {
		r.conditions[k.name] = &condition{body: section.items[i]}
	}
}

// condition evaluates a condition by name; ok is false if a problem has been
// reported.
func (s scope) condition(line int, name string) (holds, ok bool) {
	c := s.conditions[name]
	if c == nil {
		s.fail(line, "there is no condition %s%s", name, s.didYouMean(name, maps.Keys(s.conditions)))
		return false, false
	}
	switch c.state {
	case evaluating:
		s.fail(line, "condition %s depends on itself", name)
		return false, false
	case untouched:
		c.state = evaluating
		in := s.in("Conditions").at(name)
		in.muted, in.noResources = s.muted, true
		c.holds, c.ok = in.test(c.body)
		c.state = evaluated
		if s.muted && !c.ok {
			c.state = untouched // the problem is still to be reported
		}
	}
	return c.holds, c.ok
}

// test evaluates a condition function.
func (s scope) test(n *node) (holds, ok bool) {
	if !s.spend(n.line, 1) || n.kind == kindBroken {
		return false, false
	}
	if n.kind != kindMapping || len(n.keys) != 1 {
		s.fail(n.line, "must be one of the condition functions Fn::And, Fn::Equals, Fn::Not, Fn::Or or Condition")
		return false, false
	}
	arg := n.items[0]
	switch name := n.keys[0].name; name {
	case "Condition":
		target, ok := s.literal(arg, "Condition")
		if !ok {
			return false, false
		}
		return s.condition(n.line, target)
	case "Fn::Not":
		args, ok := s.arguments(arg, name, "a list of one condition", 1, 1)
		if !ok {
			return false, false
		}
		holds, ok = s.test(args[0])
		return !holds, ok
	case "Fn::And", "Fn::Or":
		return s.combine(name, arg)
	case "Fn::Equals":
		args, ok := s.arguments(arg, name, "a list of two values", 2, 2)
		if !ok {
			return false, false
		}
		a, aOK := s.comparable(args[0])
		b, bOK := s.comparable(args[1])
		return a == b, aOK && bOK
	default:
		known := []string{"Condition", "Fn::And", "Fn::Equals", "Fn::Not", "Fn::Or"}
		s.fail(n.line, "%s is not a condition function%s", name, s.didYouMean(name, slices.Values(known)))
		return false, false
	}
}

// combine evaluates every operand, so that all problems come to light.
func (s scope) combine(name string, arg *node) (holds, ok bool) {
	args, ok := s.arguments(arg, name, "a list of 2 to 10 conditions", 2, 10)
	if !ok {
		return false, false
	}
	all, some := true, false
	for _, a := range args {
		h, good := s.test(a)
		ok = ok && good
		all, some = all && h, some || h
	}
	if name == "Fn::And" {
		return all, ok
	}
	return some, ok
}

// comparable is the text Fn::Equals compares: the value, or the elements of a
// list, which cannot contain the separator used here.
func (s scope) comparable(n *node) (string, bool) {
	v := s.value(n)
	if v != nil && v.kind == kindList {
		parts, ok := s.texts(v)
		return "\x00" + strings.Join(parts, "\x00"), ok
	}
	if v == nil {
		v = n
	}
	return s.text(v)
}

// present says whether a resource exists: it has no condition, or the
// condition holds.
func (s scope) present(res *resource) (present, ok bool) {
	if res.condition == nil {
		return true, true
	}
	at := s.in(res.id).at("Condition")
	at.muted = s.muted
	return at.condition(res.condition.line, res.condition.text)
}
