package template

import (
	"regexp"
	"strings"
)

var subName = regexp.MustCompile(`^[A-Za-z0-9_.:]+$`)

// sub evaluates Fn::Sub: text with ${Name}, ${Resource.Attribute} and
// ${!literal}, or that text and a mapping of further names.
func (s scope) sub(line int, arg *node) *node {
	pattern, variables := arg, (*node)(nil)
	if arg.kind == kindList {
		args, ok := s.arguments(arg, "Fn::Sub", "text, or [text, mapping]", 2, 2)
		if !ok {
			return newBroken(line)
		}
		pattern, variables = args[0], args[1]
		if variables.kind != kindMapping {
			s.fail(variables.line, "the second argument of Fn::Sub must be a mapping, not %s", variables.kind)
			return newBroken(line)
		}
	}
	t, ok := s.literal(pattern, "Fn::Sub")
	if !ok {
		return newBroken(line)
	}
	var out strings.Builder
	for part := range subParts(t) {
		if part.name == "" {
			out.WriteString(part.literal)
			continue
		}
		value, good := s.substitute(pattern.line, part.name, variables)
		if !s.spend(line, len(value)) {
			return newBroken(line)
		}
		ok = ok && good
		out.WriteString(value)
	}
	if !ok {
		return newBroken(line)
	}
	return s.made(line, out.String())
}

func (s scope) substitute(line int, name string, variables *node) (string, bool) {
	if !subName.MatchString(name) {
		s.fail(line, "${%s} in Fn::Sub is not a name: only letters, digits, _ . and : are allowed", name)
		return "", false
	}
	if v := variables.get(name); v != nil {
		return s.text(v)
	}
	var v *node
	if resource, attribute, dotted := strings.Cut(name, "."); dotted && !s.isVersioned(name) {
		v = s.getAtt(line, resource, attribute)
	} else {
		v = s.ref(line, name)
	}
	if v == nil {
		s.fail(line, "${AWS::NoValue} cannot stand inside text")
		return "", false
	}
	return s.text(v)
}

// subPart is a piece of the text of Fn::Sub: a literal, or a name to replace.
type subPart struct {
	literal string
	name    string
}

// subParts cuts the text of Fn::Sub into pieces. A "${" that is never closed
// is literal text.
func subParts(t string) func(yield func(subPart) bool) {
	return func(yield func(subPart) bool) {
		for {
			before, rest, found := strings.Cut(t, "${")
			name, after, closed := strings.Cut(rest, "}")
			if !found || !closed {
				yield(subPart{literal: t})
				return
			}
			part := subPart{name: name}
			if literal, escaped := strings.CutPrefix(name, "!"); escaped || name == "" {
				part = subPart{literal: "${" + literal + "}"}
			}
			if !yield(subPart{literal: before}) || !yield(part) {
				return
			}
			t = after
		}
	}
}
