package template

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

const (
	// maxDepth bounds recursion over a template, aliases included.
	maxDepth = 100
	// maxMerged bounds the entries that merge keys copy.
	maxMerged = 100_000
)

// yamlLoader converts the nodes of the YAML library. Aliases become shared
// nodes, so that expanding them costs nothing.
type yamlLoader struct {
	report *report
	shared map[*yaml.Node]*node
	open   map[*yaml.Node]bool // anchors being converted, to find cycles
	merged int
	deep   bool // something too deep is reported
}

func (l *yamlLoader) fail(line int, format string, args ...any) *node {
	l.report.add(Problem{Line: line, Reason: fmt.Sprintf(format, args...)})
	return newBroken(line)
}

func (l *yamlLoader) node(y *yaml.Node) *node {
	if y.Kind == yaml.AliasNode {
		if l.open[y.Alias] {
			return l.fail(y.Line, "alias *%s refers to a value that contains it", y.Value)
		}
		if n := l.shared[y.Alias]; n != nil {
			return n
		}
		return l.node(y.Alias) // anchored where nothing is read, such as in a key
	}
	if y.Anchor == "" {
		return l.tagged(y)
	}
	l.open[y] = true
	n := l.tagged(y)
	delete(l.open, y)
	l.shared[y] = n
	return n
}

// tagged writes short tags out: !GetAtt A.B becomes {Fn::GetAtt: A.B}.
func (l *yamlLoader) tagged(y *yaml.Node) *node {
	tag := ""
	if y.Style&yaml.TaggedStyle != 0 && !strings.HasPrefix(y.Tag, "!!") {
		tag = strings.TrimPrefix(y.Tag, "!")
	}
	n := l.plain(y, tag != "")
	if tag == "" || n.kind == kindBroken {
		return n
	}
	for _, name := range intrinsics() {
		if strings.TrimPrefix(name, "Fn::") == tag {
			return l.bounded(&node{kind: kindMapping, line: y.Line, height: n.height + 1, keys: []key{{name, y.Line}}, items: []*node{n}})
		}
	}
	hint := ""
	if !l.report.problems.full() {
		hint = didYouMean(tag, shortTags())
	}
	return l.fail(y.Line, "unknown tag !%s%s", tag, hint)
}

func (l *yamlLoader) plain(y *yaml.Node, shortTag bool) *node {
	switch y.Kind {
	case yaml.ScalarNode:
		return l.scalar(y, shortTag)
	case yaml.SequenceNode:
		n := &node{kind: kindList, line: y.Line}
		for _, item := range y.Content {
			n.append(key{}, l.node(item))
		}
		return l.bounded(n)
	case yaml.MappingNode:
		return l.bounded(l.mapping(y))
	}
	return l.fail(y.Line, "unexpected YAML node")
}

func (l *yamlLoader) scalar(y *yaml.Node, shortTag bool) *node {
	quoted := y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	if y.Style&yaml.TaggedStyle == 0 {
		if quoted {
			return newText(y.Line, y.Value)
		}
		return plainScalar(y.Line, y.Value)
	}
	switch y.Tag {
	case "!!str":
		return newText(y.Line, y.Value)
	case "!!int", "!!float", "!!bool", "!!null", "!!timestamp":
		return plainScalar(y.Line, y.Value)
	}
	if shortTag { // the argument of !Ref or !Sub is text, whatever it looks like
		return newText(y.Line, y.Value)
	}
	return l.fail(y.Line, "CloudFormation does not know the tag %s", y.Tag)
}

func (l *yamlLoader) mapping(y *yaml.Node) *node {
	n := &node{kind: kindMapping, line: y.Line}
	lines := make(map[string]int)
	var merges []*yaml.Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		switch {
		case k.Kind != yaml.ScalarNode || k.Tag == "!!null":
			l.fail(k.Line, "a key must be text")
			continue
		case k.Tag == "!!merge":
			merges = append(merges, v)
			continue
		case lines[k.Value] != 0:
			l.fail(k.Line, "key %s is already set in line %d", k.Value, lines[k.Value])
			continue
		}
		if name := l.scalar(k, false); name.written != "" {
			l.fail(k.Line, "the key %s without quotes is %s in YAML 1.1: put it in quotes", name.written, name.text)
			continue
		}
		lines[k.Value] = k.Line
		n.append(key{k.Value, k.Line}, l.node(v))
	}
	for _, v := range merges {
		l.merge(n, lines, v)
	}
	return n
}

// merge adds the entries of a merge key (<<) that the mapping does not set
// itself; of several merged mappings the first that has a key wins.
func (l *yamlLoader) merge(into *node, lines map[string]int, v *yaml.Node) {
	from := l.node(v)
	sources := []*node{from}
	if from.kind == kindList {
		sources = from.items
	}
	for _, source := range sources {
		if _, _, isFunction := source.intrinsic(); isFunction || source.kind != kindMapping {
			if source.kind != kindBroken {
				l.fail(v.Line, "a merge key (<<) takes a mapping or a list of mappings")
			}
			continue
		}
		for i, k := range source.keys {
			if l.merged++; l.merged > maxMerged {
				l.fail(v.Line, "merge keys (<<) copy more than %d entries", maxMerged)
				return
			}
			if lines[k.name] == 0 {
				lines[k.name] = k.line
				into.append(k, source.items[i])
			}
		}
	}
}

// bounded refuses what is nested too deeply; aliases can nest deeper than the
// text does.
func (l *yamlLoader) bounded(n *node) *node {
	if n.height > maxDepth {
		if l.deep { // what contains it is too deep as well
			return newBroken(n.line)
		}
		l.deep = true
		return l.fail(n.line, "values are nested more than %d levels deep", maxDepth)
	}
	return n
}

// append adds an element to a list, or an entry to a mapping that is being
// built.
func (n *node) append(k key, item *node) {
	if n.kind == kindMapping {
		n.keys = append(n.keys, k)
	}
	n.items = append(n.items, item)
	n.height = max(n.height, item.height+1)
}
