package template

import (
	"strconv"
	"strings"
)

func (s scope) join(line int, arg *node) *node {
	args, ok := s.arguments(arg, "Fn::Join", "[delimiter, list]", 2, 2)
	if !ok {
		return newBroken(line)
	}
	delimiter, ok := s.text(args[0])
	parts, good := s.texts(args[1])
	if !ok || !good {
		return newBroken(line)
	}
	return s.made(line, strings.Join(parts, delimiter))
}

func (s scope) split(line int, arg *node) *node {
	args, ok := s.arguments(arg, "Fn::Split", "[delimiter, text]", 2, 2)
	if !ok {
		return newBroken(line)
	}
	delimiter, ok := s.text(args[0])
	source, good := s.text(args[1])
	if !ok || !good {
		return newBroken(line)
	}
	if delimiter == "" {
		s.fail(args[0].line, "the delimiter of Fn::Split is empty")
		return newBroken(line)
	}
	return s.listOf(line, strings.Split(source, delimiter))
}

// listOf is a list that a function has produced.
func (s scope) listOf(line int, parts []string) *node {
	n := &node{kind: kindList, line: line}
	for _, part := range parts {
		n.append(key{}, s.made(line, part))
	}
	if !s.spend(line, len(parts)) {
		return newBroken(line)
	}
	return n
}

func (s scope) selectItem(arg *node) *node {
	args, ok := s.arguments(arg, "Fn::Select", "[index, list]", 2, 2)
	if !ok {
		return newBroken(arg.line)
	}
	written, ok := s.text(args[0])
	items, good := s.elements(args[1])
	if !ok || !good {
		return newBroken(arg.line)
	}
	index, err := strconv.Atoi(written)
	if err != nil || index < 0 || index >= len(items) {
		s.fail(args[0].line, "Fn::Select has no element %q in a list of %d", written, len(items))
		return newBroken(arg.line)
	}
	return items[index]
}

func (s scope) zones(line int, arg *node) *node {
	region, ok := s.text(arg)
	if !ok {
		return newBroken(line)
	}
	if region == "" {
		region = s.Region
	}
	return s.listOf(line, []string{region + "a", region + "b", region + "c"})
}
