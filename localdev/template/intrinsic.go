package template

import (
	"encoding/base64"
	"slices"
	"strings"
)

// intrinsics lists the functions of CloudFormation, by their long names.
func intrinsics() []string {
	return []string{
		"Ref", "Condition", "Fn::And", "Fn::Base64", "Fn::Cidr", "Fn::Equals", "Fn::FindInMap", "Fn::ForEach",
		"Fn::GetAtt", "Fn::GetAZs", "Fn::GetStackOutput", "Fn::If", "Fn::ImportValue", "Fn::Join", "Fn::Length",
		"Fn::Not", "Fn::Or", "Fn::Select", "Fn::Split", "Fn::Sub", "Fn::ToJsonString", "Fn::Transform",
	}
}

// shortTags is how YAML tags name them.
func shortTags() []string {
	tags := intrinsics()
	for i, name := range tags {
		tags[i] = strings.TrimPrefix(name, "Fn::")
	}
	return tags
}

// value evaluates n until its outermost layer is text, a list or a mapping;
// what is inside stays as it is until somebody reads it. It is nil for
// AWS::NoValue, and broken if a problem has been reported.
func (s scope) value(n *node) *node {
	if n == nil {
		return nil
	}
	if !s.spend(n.line, 1) {
		return newBroken(n.line)
	}
	name, arg, ok := n.intrinsic()
	if !ok {
		return s.mustBePlain(n)
	}
	switch name {
	case "Ref":
		if target, ok := s.literal(arg, "Ref"); ok {
			return s.ref(n.line, target)
		}
	case "Fn::GetAtt":
		if target, attribute, ok := s.attribute(arg); ok {
			return s.getAtt(n.line, target, attribute)
		}
	case "Fn::If":
		return s.choose(arg)
	case "Fn::Sub":
		return s.sub(n.line, arg)
	case "Fn::Join":
		return s.join(n.line, arg)
	case "Fn::Split":
		return s.split(n.line, arg)
	case "Fn::Select":
		return s.selectItem(arg)
	case "Fn::FindInMap":
		return s.findInMap(arg)
	case "Fn::Base64":
		if plain, ok := s.text(arg); ok {
			return s.made(n.line, base64.StdEncoding.EncodeToString([]byte(plain)))
		}
	case "Fn::GetAZs":
		return s.zones(n.line, arg)
	case "Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals":
		s.fail(n.line, "%s belongs into the Conditions section; a value chooses with Fn::If", name)
	case "Fn::ImportValue":
		return s.unsupported(n.line, "Fn::ImportValue takes its value from another stack, and there is none locally")
	default:
		if !slices.Contains(intrinsics(), name) && !strings.HasPrefix(name, "Fn::ForEach::") {
			s.fail(n.line, "there is no intrinsic function %s%s", name, s.didYouMean(name, slices.Values(intrinsics())))
			break
		}
		return s.unsupported(n.line, "%s is not supported", name)
	}
	return newBroken(n.line)
}

// mustBePlain catches an intrinsic function that shares a mapping with other
// keys: CloudFormation refuses it.
func (s scope) mustBePlain(n *node) *node {
	if n.kind == kindMapping && len(n.keys) > 1 {
		for _, k := range n.keys {
			if k.name == "Fn::Transform" || strings.HasPrefix(k.name, "Fn::ForEach::") {
				return s.unsupported(k.line, "only CloudFormation itself can expand %s", k.name)
			}
			if strings.HasPrefix(k.name, "Fn::") {
				s.fail(k.line, "%s must be the only key of its mapping", k.name)
				return newBroken(k.line)
			}
		}
	}
	return n
}

// unsupported refuses a function; when lenient its value is empty text.
func (s scope) unsupported(line int, format string, args ...any) *node {
	s.refuse(line, format, args...)
	if s.Lenient {
		return newText(line, "")
	}
	return newBroken(line)
}

// made is text that a function has produced. Its length counts as work, which
// bounds functions that feed on each other.
func (s scope) made(line int, t string) *node {
	if !s.spend(line, len(t)) {
		return newBroken(line)
	}
	return newText(line, t)
}

// literal reads a name that CloudFormation does not allow to be computed.
func (s scope) literal(n *node, of string) (string, bool) {
	if n.kind == kindText {
		return n.text, true
	}
	if n.kind != kindBroken {
		s.fail(n.line, "%s takes a name, not %s", of, n.kind)
	}
	return "", false
}

// arguments reads the argument list of a function.
func (s scope) arguments(arg *node, function, usage string, least, most int) ([]*node, bool) {
	if arg.kind == kindList && len(arg.items) >= least && len(arg.items) <= most {
		return arg.items, true
	}
	if arg.kind != kindBroken {
		s.fail(arg.line, "%s takes %s", function, usage)
	}
	return nil, false
}

func (s scope) choose(arg *node) *node {
	if chosen, ok := s.branch(arg); ok {
		return s.value(chosen)
	}
	return newBroken(arg.line)
}

// branch is the argument that Fn::If chooses, not yet evaluated.
func (s scope) branch(arg *node) (*node, bool) {
	args, ok := s.arguments(arg, "Fn::If", "[condition, value if true, value if false]", 3, 3)
	if !ok {
		return nil, false
	}
	name, ok := s.literal(args[0], "the first argument of Fn::If")
	if !ok {
		return nil, false
	}
	holds, ok := s.condition(args[0].line, name)
	if holds {
		return args[1], ok
	}
	return args[2], ok
}

func (s scope) findInMap(arg *node) *node {
	args, ok := s.arguments(arg, "Fn::FindInMap", "[map, first key, second key]", 3, 4)
	if !ok {
		return newBroken(arg.line)
	}
	at, what := s.root.get("Mappings"), "map"
	for _, a := range args[:3] {
		name, ok := s.text(a)
		if !ok {
			return newBroken(arg.line)
		}
		next := at.get(name)
		if next == nil {
			if len(args) == 4 && args[3].get("DefaultValue") != nil {
				return s.value(args[3].get("DefaultValue"))
			}
			s.fail(a.line, "Mappings has no %s %s%s", what, name, s.didYouMean(name, slices.Values(at.names())))
			return newBroken(arg.line)
		}
		at, what = next, "key "+name+" →"
	}
	if at.kind != kindText && at.kind != kindList {
		s.fail(at.line, "a value in Mappings must be text or a list, not %s", at.kind)
		return newBroken(arg.line)
	}
	return at
}
