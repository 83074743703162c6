package template

import (
	"slices"
	"strings"
)

// references lists the resources that a value refers to, each once. Of Fn::If
// only the chosen branch counts, and none if the choice cannot be made.
func (s scope) references(n *node) []string {
	s.muted = true
	w := &referenceWalk{scope: s, seen: make(map[*node]bool), found: make(map[string]bool)}
	w.walk(n)
	return w.names
}

type referenceWalk struct {
	scope
	seen  map[*node]bool
	found map[string]bool
	names []string
}

func (w *referenceWalk) add(name string) {
	name, _, _ = strings.Cut(name, ".")
	if !w.found[name] && (w.resources[name] != nil || name == implicitAPI) {
		w.found[name] = true
		w.names = append(w.names, name)
	}
}

func (w *referenceWalk) walk(n *node) {
	if n == nil || w.seen[n] {
		return
	}
	w.seen[n] = true
	name, arg, ok := n.intrinsic()
	switch {
	case ok && name == "Fn::If":
		if chosen, ok := w.branch(arg); ok {
			w.walk(chosen)
		}
		return
	case ok && arg.kind == kindText && (name == "Ref" || name == "Fn::GetAtt"):
		w.add(arg.text)
		return
	case ok && name == "Fn::GetAtt" && arg.kind == kindList && len(arg.items) > 0 && arg.items[0].kind == kindText:
		w.add(arg.items[0].text)
	case ok && name == "Fn::Sub":
		w.sub(arg)
	}
	for _, item := range n.items {
		w.walk(item)
	}
}

func (w *referenceWalk) sub(arg *node) {
	var variables *node
	if arg.kind == kindList && len(arg.items) == 2 {
		arg, variables = arg.items[0], arg.items[1]
	}
	for part := range subParts(arg.text) {
		if part.name != "" && variables.get(part.name) == nil {
			w.add(part.name)
		}
	}
}

// checkCycles reports resources that depend on each other in a circle, which
// CloudFormation cannot create: typically a function that is told the address
// of the API that routes to it.
func (r *resolver) checkCycles() {
	g := &graph{resolver: r, state: make(map[string]state)}
	for _, res := range r.order {
		g.visit(res.id)
	}
}

type graph struct {
	*resolver
	state map[string]state
	path  []string
}

func (g *graph) visit(id string) {
	g.state[id] = evaluating
	g.path = append(g.path, id)
	for _, next := range g.dependencies(id) {
		switch g.state[next] {
		case untouched:
			g.visit(next)
		case evaluating:
			if g.report.problems.full() {
				return
			}
			circle := append(slices.Clone(g.path[slices.Index(g.path, next):]), next)
			line := 0
			if res := g.resources[next]; res != nil {
				line = res.line
			}
			g.in(next).fail(line, "circular dependency, which CloudFormation cannot create: %s", strings.Join(circle, " → "))
		}
	}
	g.path = g.path[:len(g.path)-1]
	g.state[id] = evaluated
}

// dependencies are the resources that have to exist before this one, as far
// as SAM does not put the reference into a resource of its own.
func (g *graph) dependencies(id string) []string {
	res := g.resources[id]
	if res == nil {
		return g.routed(id) // the implicit API
	}
	s := g.in(id)
	s.muted = true
	if present, ok := s.present(res); !ok || !present {
		return nil
	}
	var out []string
	switch res.role {
	case roleFunction:
		props := s.properties(res)
		own := &node{kind: kindMapping}
		for i, k := range props.keys {
			if !slices.Contains([]string{"AutoPublishAlias", "DeploymentPreference", "EventInvokeConfig", "Events", "FunctionUrlConfig"}, k.name) {
				own.append(k, props.items[i])
			}
		}
		out = s.references(own)
	case roleAPI:
		out = append(s.references(s.properties(res).get("CorsConfiguration")), g.routed(id)...)
	default:
		out = s.references(res.body.get("Properties"))
	}
	switch on := res.body.get("DependsOn"); {
	case on == nil:
	case on.kind == kindText:
		out = append(out, on.text)
	case on.kind == kindList:
		for _, item := range on.items {
			out = append(out, item.text)
		}
	}
	return out
}

// routed are the functions an API routes to: its definition names them.
func (g *graph) routed(api string) (ids []string) {
	for _, route := range g.routes[api] {
		ids = append(ids, route.FunctionID)
	}
	return ids
}
