package template

import (
	"slices"
	"strings"
)

// readGlobals reads and checks the Globals section.
func (r *resolver) readGlobals() {
	r.globals = make(map[string]*node)
	section := r.section("Globals")
	known := []string{"Api", "CapacityProvider", "Function", "HttpApi", "LayerVersion", "SimpleTable", "StateMachine", "WebSocketApi"}
	for i, k := range section.entries() {
		s := r.in("Globals").at(k.name)
		if !slices.Contains(known, k.name) {
			s.fail(k.line, "no such section%s", s.didYouMean(k.name, slices.Values(known)))
			continue
		}
		m, ok := s.of(section.items[i], kindMapping)
		if !ok {
			continue
		}
		typ := "AWS::Serverless::" + k.name
		if properties := propertiesOf(typ); properties != nil {
			s.checkGlobal(m, properties)
		}
		r.globals[typ] = m
	}
}

func (s scope) checkGlobal(m *node, properties []property) {
	var global []string
	for _, p := range properties {
		if p.global {
			global = append(global, p.name)
		}
	}
	for _, k := range m.keys {
		if slices.Contains(global, k.name) {
			continue
		}
		if slices.ContainsFunc(properties, func(p property) bool { return p.name == k.name }) {
			s.at(k.name).fail(k.line, "cannot be set in Globals")
			continue
		}
		s.at(k.name).fail(k.line, "no such property%s", s.didYouMean(k.name, slices.Values(global)))
	}
}

// properties are those of a resource with the Globals of its type merged in;
// the result is a mapping, and made only once.
func (r *resolver) properties(res *resource) *node {
	if res.merged != nil {
		return res.merged
	}
	s := r.in(res.id)
	local := res.body.get("Properties")
	if local == nil {
		local = &node{kind: kindMapping, line: res.line}
	} else if m, ok := s.of(local, kindMapping); ok {
		local = m
	} else {
		local = &node{kind: kindMapping, line: local.line}
	}
	res.merged = local
	if global := s.unignored(r.globals[res.typ], res); global != nil {
		res.merged = s.merge(global, local)
	}
	return res.merged
}

// unignored leaves out of Globals what the resource attribute IgnoreGlobals
// names: "*" or a list of properties.
func (s scope) unignored(global *node, res *resource) *node {
	ignore := res.body.get("IgnoreGlobals")
	if ignore == nil || global == nil {
		return global
	}
	s = s.at("IgnoreGlobals")
	if ignore.kind == kindText && ignore.text == "*" {
		return nil
	}
	if ignore.kind != kindList {
		s.fail(ignore.line, `must be "*" or a list of properties`)
		return global
	}
	names, _ := s.texts(ignore)
	for _, name := range names {
		if global.get(name) == nil {
			s.fail(ignore.line, "Globals does not set %s%s", name, s.didYouMean(name, slices.Values(global.names())))
		}
	}
	out := &node{kind: kindMapping, line: global.line}
	for i, k := range global.keys {
		if !slices.Contains(names, k.name) {
			out.append(k, global.items[i])
		}
	}
	return out
}

// merge combines a global and a local value as SAM does: mappings are merged,
// lists are joined, and in every other case the local value wins. An intrinsic
// function counts as a single value.
func (s scope) merge(global, local *node) *node {
	if !s.spend(local.line, 1+len(global.items)+len(local.items)) || global.kind != local.kind || isFunction(global) || isFunction(local) {
		return local
	}
	out := &node{kind: local.kind, line: local.line}
	switch local.kind {
	case kindList:
		for _, item := range slices.Concat(global.items, local.items) {
			out.append(key{}, item)
		}
		return out
	case kindMapping:
		locals := make(map[string]*node, len(local.keys))
		for i, k := range local.keys {
			locals[k.name] = local.items[i]
		}
		for i, k := range global.keys {
			if l := locals[k.name]; l != nil {
				out.append(k, s.merge(global.items[i], l))
				delete(locals, k.name)
				continue
			}
			out.append(k, global.items[i])
		}
		for i, k := range local.keys {
			if locals[k.name] != nil {
				out.append(k, local.items[i])
			}
		}
		return out
	}
	return local
}

// isFunction is SAM's test for an intrinsic function.
func isFunction(n *node) bool {
	return n.kind == kindMapping && len(n.keys) == 1 &&
		(n.keys[0].name == "Ref" || n.keys[0].name == "Condition" || strings.HasPrefix(n.keys[0].name, "Fn::"))
}
