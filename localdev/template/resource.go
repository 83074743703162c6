package template

import (
	"regexp"
	"strings"
)

// role is what a resource means to the emulator.
type role int

const (
	roleInert   role = iota // nothing happens locally
	roleRefused             // something would have to happen, and does not
	roleFunction
	roleAPI
)

// resource is an entry of the Resources section.
type resource struct {
	id        string
	typ       string
	line      int
	body      *node
	condition *node // name of its condition; nil: none
	role      role

	merged    *node // properties with Globals; see properties
	name      string
	nameState state
	nameOK    bool
}

var (
	logicalID    = regexp.MustCompile(`^[A-Za-z0-9]{1,255}$`)
	resourceType = regexp.MustCompile(`^([A-Za-z0-9]+(::[A-Za-z0-9]+){2,3}|Custom::[A-Za-z0-9_@-]+)$`)
)

// readResources reads the Resources section and refuses the types that
// something local would have to stand for.
func (r *resolver) readResources() {
	section := r.section("Resources")
	for i, k := range section.entries() {
		s := r.in(k.name)
		if strings.HasPrefix(k.name, "Fn::") {
			r.in("Resources").at(k.name).refuse(k.line, "only CloudFormation itself can expand this")
			continue
		}
		if !logicalID.MatchString(k.name) {
			s.fail(k.line, "a logical id has 1 to 255 letters and digits")
		}
		body, ok := s.of(section.items[i], kindMapping)
		if !ok {
			continue
		}
		if res := s.resourceOf(k, body); res != nil {
			r.resources[res.id] = res
			r.order = append(r.order, res)
		}
	}
	for _, res := range r.order {
		if res.role != roleRefused {
			continue
		}
		s := r.in(res.id)
		if present, ok := s.present(res); ok && present {
			_, why := classify(res.typ)
			s.at("Type").refuse(res.body.get("Type").line, "%s is not emulated: %s", res.typ, why)
		}
	}
}

func (s scope) resourceOf(k key, body *node) *resource {
	s.known(body, []string{"Condition", "Connectors", "CreationPolicy", "DeletionPolicy", "DependsOn", "IgnoreGlobals",
		"Metadata", "Properties", "Type", "UpdatePolicy", "UpdateReplacePolicy"})
	typ := body.get("Type")
	if typ == nil {
		s.at("Type").fail(k.line, "is missing")
		return nil
	}
	name, ok := s.at("Type").literal(typ, "Type")
	if !ok {
		return nil
	}
	if !resourceType.MatchString(name) {
		s.at("Type").fail(typ.line, "%q is not the name of a resource type, such as AWS::Serverless::Function", name)
		return nil
	}
	res := &resource{id: k.name, typ: name, line: k.line, body: body}
	res.role, _ = classify(name)
	if c := body.get("Condition"); c != nil {
		if _, ok := s.at("Condition").literal(c, "Condition"); ok {
			res.condition = c
		}
	}
	return res
}
