package template

import "strings"

// kind says what a node is.
type kind int

const (
	// kindBroken stands for a value whose problem is already reported: readers
	// pass over it without reporting anything more.
	kindBroken kind = iota
	kindNull
	kindText
	kindList
	kindMapping
)

func (k kind) String() string {
	switch k {
	case kindNull:
		return "an empty value"
	case kindText:
		return "text"
	case kindList:
		return "a list"
	case kindMapping:
		return "a mapping"
	}
	return "a broken value"
}

// node is a value of a template: YAML or JSON with aliases and merge keys
// expanded, and short tags such as !Ref written out as {Ref: …}. Nodes are
// never changed once built, and may be shared.
type node struct {
	kind   kind
	line   int
	height int // levels below this one

	text    string // text: what CloudFormation would see
	written string // text: how the file has it, if that differs from text

	keys  []key   // mapping: parallel to items
	items []*node // list: elements; mapping: values
}

type key struct {
	name string
	line int
}

func newText(line int, s string) *node { return &node{kind: kindText, line: line, text: s} }

func newBroken(line int) *node { return &node{kind: kindBroken, line: line} }

// get is the value of a key of a mapping, or nil.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for i, k := range n.keys {
		if k.name == name {
			return n.items[i]
		}
	}
	return nil
}

// names lists the keys of a mapping.
func (n *node) names() []string {
	if n == nil {
		return nil
	}
	names := make([]string, len(n.keys))
	for i, k := range n.keys {
		names[i] = k.name
	}
	return names
}

// intrinsic tells an intrinsic function from a plain value: it is a mapping
// with the function as its only key.
func (n *node) intrinsic() (name string, arg *node, ok bool) {
	if n == nil || n.kind != kindMapping || len(n.keys) != 1 {
		return "", nil, false
	}
	name = n.keys[0].name
	if name == "Ref" || strings.HasPrefix(name, "Fn::") {
		return name, n.items[0], true
	}
	return "", nil, false
}
