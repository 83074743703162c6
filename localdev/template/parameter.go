package template

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// parameter is an entry of the Parameters section.
type parameter struct {
	name   string
	line   int
	typ    string
	value  *string // override, or else Default; nil: none
	given  bool    // value is an override
	secret bool    // NoEcho: the value must not show up in a message
	broken bool    // a problem has been reported
}

var parameterType = regexp.MustCompile(`^(String|Number|CommaDelimitedList|List<(String|Number|AWS::[A-Za-z0-9:]+)>|AWS::SSM::Parameter::Value<[A-Za-z0-9:<>]+>|AWS::[A-Za-z0-9]+::[A-Za-z0-9:]+)$`)

func (p *parameter) isList() bool {
	return p.typ == "CommaDelimitedList" || strings.HasPrefix(p.typ, "List<") ||
		p.isStored() && (strings.Contains(p.typ, "<List<") || strings.Contains(p.typ, "<CommaDelimitedList>"))
}

func (p *parameter) isNumber() bool { return p.typ == "Number" || p.typ == "List<Number>" }

// isStored says that the Default is the name of a value in Systems Manager.
func (p *parameter) isStored() bool { return strings.HasPrefix(p.typ, "AWS::SSM::Parameter::Value<") }

// readParameters reads the Parameters section, applies the overrides and
// checks every value against the rules of its parameter.
func (r *resolver) readParameters() {
	section := r.section("Parameters")
	for i, k := range section.entries() {
		s := r.in("Parameters").at(k.name)
		r.parameters[k.name] = s.parameter(k, section.items[i])
	}
	known := slices.Sorted(maps.Keys(r.parameters))
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		if r.parameters[name] == nil {
			line := 0
			if section != nil {
				line = section.line
			}
			r.in("Parameters").at(name).fail(line, "the template has no such parameter; it has: %s%s", listed(known), r.didYouMean(name, slices.Values(known)))
		}
	}
}

func (s scope) parameter(k key, n *node) *parameter {
	p := &parameter{name: k.name, line: k.line}
	m, ok := s.of(n, kindMapping)
	if !ok {
		p.broken = true
		return p
	}
	for i, k := range m.keys {
		if isFunction(m.items[i]) {
			s.at(k.name).fail(k.line, "the Parameters section takes no intrinsic functions")
			p.broken = true
			return p
		}
	}
	s.known(m, []string{"AllowedPattern", "AllowedValues", "ConstraintDescription", "Default", "Description",
		"MaxLength", "MaxValue", "MinLength", "MinValue", "NoEcho", "Type"})
	if f, v := s.field(m, "NoEcho"); v != nil {
		p.secret, _ = f.boolean(v)
	}
	if v := m.get("Type"); v == nil {
		s.at("Type").fail(k.line, "is missing")
		p.broken = true
	} else if p.typ, ok = s.at("Type").text(v); !ok {
		p.broken = true
	} else if !parameterType.MatchString(p.typ) {
		s.at("Type").fail(v.line, "there is no parameter type %s%s", p.typ, s.didYouMean(p.typ, slices.Values([]string{"String", "Number", "CommaDelimitedList", "List<Number>"})))
		p.broken = true
	}
	if v := m.get("Default"); v != nil {
		if t, ok := s.at("Default").text(v); ok {
			p.value = &t
		} else {
			p.broken = true
		}
	}
	if override, ok := s.Parameters[k.name]; ok {
		p.value, p.given = &override, true
	}
	if p.value != nil && !p.broken && (p.given || !p.isStored()) {
		p.broken = !s.allowed(p, s.constraintsOf(m, p.isNumber()))
	}
	return p
}

// parameterValue evaluates a reference to a parameter.
func (s scope) parameterValue(line int, p *parameter) *node {
	switch {
	case p.broken:
		return newBroken(line)
	case p.value == nil:
		s.fail(line, "parameter %s has no value: it has no Default, and none is given", p.name)
		return newBroken(line)
	case p.isStored() && !p.given:
		s.fail(line, "parameter %s takes its value from %s in Systems Manager, which does not exist locally; give the value itself", p.name, *p.value)
		return newBroken(line)
	case p.isList():
		return s.listOf(line, splitList(*p.value))
	}
	return s.made(line, *p.value)
}

// splitList cuts the text of a list parameter; blanks around commas do not
// count.
func splitList(t string) []string {
	parts := strings.Split(t, ",")
	for i, part := range parts {
		parts[i] = strings.TrimSpace(part)
	}
	return parts
}
