package template

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxParameterBytes is CloudFormation's limit for the value of a parameter.
const maxParameterBytes = 4096

// constraints are the rules a parameter sets for its value.
type constraints struct {
	number      bool
	allowed     []string // nil: everything
	pattern     *regexp.Regexp
	limits      []limit
	explanation string // ConstraintDescription
	malformed   bool   // and reported
}

// limit is one of MinLength, MaxLength, MinValue and MaxValue.
type limit struct {
	name  string
	bound float64
	least bool // the bound is the lowest value allowed, not the highest
}

func (s scope) constraintsOf(m *node, number bool) constraints {
	c := constraints{number: number}
	note := func(ok bool) bool { c.malformed = c.malformed || !ok; return ok }
	if f, v := s.field(m, "AllowedValues"); v != nil {
		allowed, ok := f.texts(v)
		note(ok)
		c.allowed = append([]string{}, allowed...)
	}
	if f, v := s.field(m, "AllowedPattern"); v != nil {
		pattern, ok := f.text(v)
		if note(ok) {
			// CloudFormation matches the whole value, with Java's syntax.
			var err error
			if c.pattern, err = regexp.Compile(`^(?:` + pattern + `)$`); err != nil {
				f.warn(v.line, "is not checked here: Go's regular expressions cannot express it")
			}
		}
	}
	for _, l := range []limit{{"MinLength", 0, true}, {"MaxLength", 0, false}, {"MinValue", 0, true}, {"MaxValue", 0, false}} {
		f, v := s.field(m, l.name)
		if v == nil || number != strings.HasSuffix(l.name, "Value") {
			continue
		}
		t, ok := f.text(v)
		if !note(ok) {
			continue
		}
		var err error
		if l.bound, err = strconv.ParseFloat(t, 64); err != nil {
			f.fail(v.line, "must be a number, not %q", t)
			note(false)
			continue
		}
		c.limits = append(c.limits, l)
	}
	if f, v := s.field(m, "ConstraintDescription"); v != nil {
		if t, ok := f.text(v); note(ok) {
			c.explanation = " (" + t + ")"
		}
	}
	return c
}

// allowed checks the value of a parameter, and reports the rule it breaks. In
// a list every element has to keep to the rules.
func (s scope) allowed(p *parameter, c constraints) bool {
	if c.malformed {
		return false
	}
	source := "Default"
	if p.given {
		source = "given value"
	}
	if len(*p.value) > maxParameterBytes {
		s.fail(p.line, "the %s has more than %d bytes", source, maxParameterBytes)
		return false
	}
	values := []string{*p.value}
	if p.isList() {
		values = splitList(*p.value)
	}
	for _, v := range values {
		if rule := c.brokenBy(v); rule != "" {
			shown := strconv.Quote(v)
			if p.secret {
				shown = "(hidden by NoEcho)"
			}
			s.fail(p.line, "the %s %s %s%s", source, shown, rule, c.explanation)
			return false
		}
	}
	return true
}

// brokenBy says which rule a value breaks; "" if none.
func (c constraints) brokenBy(value string) string {
	measure := float64(utf8.RuneCountInString(value))
	if c.number {
		n, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) || strings.ContainsAny(value, "xXpP_") {
			return "is not a number"
		}
		measure = n
	}
	if c.allowed != nil {
		found := false
		for _, a := range c.allowed {
			found = found || a == value
		}
		if !found {
			return "is not one of AllowedValues: " + strings.Join(c.allowed, ", ") + didYouMean(value, c.allowed)
		}
	}
	if c.pattern != nil && !c.pattern.MatchString(value) {
		return "does not match AllowedPattern " + c.pattern.String()[len("^(?:"):len(c.pattern.String())-len(")$")]
	}
	for _, l := range c.limits {
		if l.least && measure < l.bound || !l.least && measure > l.bound {
			return fmt.Sprintf("breaks %s %s", l.name, strconv.FormatFloat(l.bound, 'f', -1, 64))
		}
	}
	return ""
}
