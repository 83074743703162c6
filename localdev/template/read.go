package template

import (
	"slices"
	"strconv"
	"strings"
)

// The methods here read evaluated values. Each takes a node, which may be an
// intrinsic function, and reports what is wrong with it; ok is false then.

// text reads a string; numbers and booleans are text too, as CloudFormation
// converts them.
func (s scope) text(n *node) (string, bool) {
	if v, ok := s.of(n, kindText); ok {
		return v.text, true
	}
	return "", false
}

// of evaluates n and demands a kind.
func (s scope) of(n *node, want kind) (*node, bool) {
	v := s.value(n)
	switch {
	case v == nil:
		s.fail(n.line, "AWS::NoValue leaves this without a value, and one is needed")
	case v.kind == want:
		return v, true
	case v.kind == kindNull:
		s.fail(v.line, "is empty; CloudFormation allows no null values")
	case v.kind == kindList && want == kindText:
		s.fail(v.line, "must be text, not a list; Fn::Join makes one of a list")
	case v.kind != kindBroken:
		s.fail(v.line, "must be %s, not %s", want, v.kind)
	}
	return nil, false
}

// static reads text that has to be resolved before anything runs, so that a
// dynamic reference is of no use.
func (s scope) static(n *node) (string, bool) {
	value, ok := s.text(n)
	if ok && strings.Contains(value, "{{resolve:") {
		s.fail(n.line, "the dynamic reference %s has no value locally", value)
		return "", false
	}
	return value, ok
}

// integer reads a whole number from low to high.
func (s scope) integer(n *node, low, high int) (int, bool) {
	value, ok := s.static(n)
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(value)
	if err != nil {
		s.fail(n.line, "must be a whole number, not %q", value)
		return 0, false
	}
	if i < low || i > high {
		s.fail(n.line, "is %d, and must be from %d to %d", i, low, high)
		return 0, false
	}
	return i, true
}

func (s scope) boolean(n *node) (value, ok bool) {
	t, ok := s.static(n)
	switch {
	case !ok:
		return false, false
	case strings.EqualFold(t, "true"):
		return true, true
	case strings.EqualFold(t, "false"):
		return false, true
	}
	s.fail(n.line, "must be true or false, not %q", t)
	return false, false
}

// oneOf reads a word from a list of them.
func (s scope) oneOf(n *node, words ...string) (string, bool) {
	value, ok := s.static(n)
	if ok && !slices.Contains(words, value) {
		s.fail(n.line, "is %q, and must be %s%s", value, strings.Join(words, " or "), s.didYouMean(value, slices.Values(words)))
		return "", false
	}
	return value, ok
}

// elements evaluates a list and its elements; those that are AWS::NoValue are
// left out.
func (s scope) elements(n *node) ([]*node, bool) {
	v, ok := s.of(n, kindList)
	if !ok {
		return nil, false
	}
	var out []*node
	for _, item := range v.items {
		switch e := s.value(item); {
		case e == nil:
		case e.kind == kindBroken:
			ok = false
		default:
			out = append(out, e)
		}
	}
	return out, ok
}

// texts reads a list of strings.
func (s scope) texts(n *node) ([]string, bool) {
	items, ok := s.elements(n)
	if !ok {
		return nil, false
	}
	out := make([]string, 0, len(items))
	for _, item := range items {
		t, good := s.text(item)
		good = good && s.spend(item.line, len(t))
		if ok = ok && good; good {
			out = append(out, t)
		}
	}
	return out, ok
}

// field evaluates a property of a mapping. It is nil if the property is
// absent or AWS::NoValue, and a reader passes over a broken one in silence.
func (s scope) field(n *node, name string) (scope, *node) {
	f := s.at(name)
	item := n.get(name)
	if item == nil {
		return f, nil
	}
	return f, f.value(item)
}

// fields evaluates a property that is itself a mapping with a known set of
// keys; nil if it is absent or wrong.
func (s scope) fields(n *node, name string, known ...string) (scope, *node) {
	f, v := s.field(n, name)
	if v == nil {
		return f, nil
	}
	m, ok := f.of(v, kindMapping)
	if !ok {
		return f, nil
	}
	f.known(m, known)
	return f, m
}

// known reports the keys of a mapping that are not among the known ones.
func (s scope) known(m *node, known []string) {
	for _, k := range m.keys {
		if !slices.Contains(known, k.name) {
			s.at(k.name).fail(k.line, "no such property%s", s.didYouMean(k.name, slices.Values(known)))
		}
	}
}
