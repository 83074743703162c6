package template

import (
	"slices"
	"strings"
)

// samTransform is what makes CloudFormation expand AWS::Serverless resources.
const samTransform = "AWS::Serverless-2016-10-31"

// readSections checks the top level of the template.
func (r *resolver) readSections() {
	known := []string{"AWSTemplateFormatVersion", "Conditions", "Description", "Globals", "Hooks", "Mappings",
		"Metadata", "Outputs", "Parameters", "Resources", "Rules", "Transform"}
	for _, k := range r.root.keys {
		if strings.HasPrefix(k.name, "Fn::") {
			r.in("").at(k.name).refuse(k.line, "only CloudFormation itself can expand this")
		} else if !slices.Contains(known, k.name) {
			r.in("").at(k.name).fail(k.line, "no such section%s", r.didYouMean(k.name, slices.Values(known)))
		}
	}
	if r.root.get("Resources") == nil {
		r.in("").at("Resources").fail(r.root.line, "the section is missing")
	}
	r.checkTransform()
}

// section is a top-level mapping; nil if it is absent or wrong.
func (r *resolver) section(name string) *node {
	n := r.root.get(name)
	if n == nil {
		return nil
	}
	switch n.kind {
	case kindMapping: // even with a single key it is no intrinsic function
		return n
	case kindNull:
		r.in(name).fail(n.line, "is empty; CloudFormation allows no null values")
	default:
		r.in(name).fail(n.line, "must be a mapping, not %s", n.kind)
	}
	return nil
}

// entries are the keys of a mapping; none if it is nil.
func (n *node) entries() []key {
	if n == nil {
		return nil
	}
	return n.keys
}

// checkTransform accepts the transforms whose effect is known here.
func (r *resolver) checkTransform() {
	n := r.root.get("Transform")
	s := r.in("").at("Transform")
	if n == nil {
		if sam := r.root.get("Resources").serverless(); len(sam) > 0 {
			s.fail(sam[0].line, "is missing: AWS::Serverless resources need Transform: %s", samTransform)
		}
		return
	}
	names := []*node{n}
	if n.kind == kindList {
		names = n.items
	}
	sam := false
	for _, name := range names {
		if name.kind != kindText {
			s.refuse(name.line, "a macro changes the template in a way only CloudFormation knows")
			continue
		}
		switch name.text {
		case samTransform:
			sam = true
		case "AWS::LanguageExtensions", "AWS::CodeDeployBlueGreen":
			// The functions of the first are refused where they are used; the
			// second concerns deployments of ECS only.
		default:
			s.refuse(name.line, "the macro %s changes the template in a way only CloudFormation knows%s", name.text, s.didYouMean(name.text, slices.Values([]string{samTransform})))
		}
	}
	if !sam && len(r.root.get("Resources").serverless()) > 0 {
		s.fail(n.line, "AWS::Serverless resources need %s", samTransform)
	}
}

// serverless lists the resources of SAM's own types.
func (n *node) serverless() (out []*node) {
	if n == nil || n.kind != kindMapping {
		return nil
	}
	for _, res := range n.items {
		if typ := res.get("Type"); typ != nil && strings.HasPrefix(typ.text, "AWS::Serverless::") {
			out = append(out, res)
		}
	}
	return out
}
