package gateway

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Match is the route chosen for a request.
type Match struct {
	// Key is the route as it was defined, with the method in upper case:
	// "GET /orders/{id}", or "$default".
	Key string
	// Function is the route's function.
	Function string
	// Timeout is how long to wait for the function.
	Timeout time.Duration
	// Params holds the decoded path variables; nil if the route has none.
	Params map[string]string
}

// Router finds the route of a request. It is immutable and safe for concurrent
// use.
type Router struct {
	root     node
	fallback *endpoint
}

// node is one position in the tree of route paths. Variable names are the
// routes' own, so "GET /a/{x}" and "POST /a/{y}" share a node.
type node struct {
	literals map[string]*node
	variable *node
	ends     map[string]*endpoint // by method: routes that end here
	greedy   map[string]*endpoint // by method: routes that end in a greedy variable below
}

// NewRouter checks the routes and builds a router. Routes that match the very
// same requests, malformed paths, unknown methods, timeouts out of bounds and
// routes without a function are errors that wrap ErrRoute and name the route.
func NewRouter(routes []Route) (*Router, error) {
	rt := &Router{}
	for _, r := range routes {
		e, err := parseRoute(r)
		if err != nil {
			return nil, err
		}
		if err := rt.add(e); err != nil {
			return nil, err
		}
	}
	return rt, nil
}

func (rt *Router) add(e *endpoint) error {
	if e.key == DefaultRoute {
		if rt.fallback != nil {
			return fmt.Errorf("%w %q: it is defined twice", ErrRoute, e.key)
		}
		rt.fallback = e
		return nil
	}
	n := &rt.root
	ends := &n.ends
	for _, s := range e.segments {
		if s.kind == greedy {
			ends = &n.greedy
			break
		}
		n = n.child(s)
		ends = &n.ends
	}
	if other := (*ends)[e.method]; other != nil {
		return fmt.Errorf("%w %q: it matches the same requests as %q", ErrRoute, e.key, other.key)
	}
	if *ends == nil {
		*ends = make(map[string]*endpoint)
	}
	(*ends)[e.method] = e
	return nil
}

func (n *node) child(s segment) *node {
	if s.kind == variable {
		if n.variable == nil {
			n.variable = &node{}
		}
		return n.variable
	}
	c := n.literals[s.text]
	if c == nil {
		c = &node{}
		if n.literals == nil {
			n.literals = make(map[string]*node)
		}
		n.literals[s.text] = c
	}
	return c
}

// Match finds the route for a method and a path as it came over the wire, still
// percent-encoded and without a stage. A route that fits the whole path goes
// before a greedy one, text before a variable, the longest greedy prefix before
// shorter ones, the method before ANY, and DefaultRoute last. Segments are split
// before they are decoded, so an encoded slash stays inside its segment.
func (rt *Router) Match(method, path string) (Match, bool) {
	if path == "" {
		path = "/"
	}
	if path[0] == '/' {
		var room [8]string
		if e, values := rt.root.find(method, path[1:], room[:0]); e != nil {
			return e.match(values), true
		}
		if e, values := rt.root.findGreedy(method, path[1:], room[:0]); e != nil {
			return e.match(values), true
		}
	}
	if rt.fallback != nil {
		return rt.fallback.match(nil), true
	}
	return Match{}, false
}

// find walks to a route that fits the whole rest. Each node of the tree is
// visited at most once, so backtracking costs no more than the routes there are.
func (n *node) find(method, rest string, values []string) (*endpoint, []string) {
	head, tail, more := strings.Cut(rest, "/")
	next := func(c *node, values []string) (*endpoint, []string) {
		if more {
			return c.find(method, tail, values)
		}
		return choose(c.ends, method), values
	}
	text := decode(head)
	if c := n.literals[text]; c != nil {
		if e, v := next(c, values); e != nil {
			return e, v
		}
	}
	if n.variable != nil && text != "" {
		return next(n.variable, append(values, text))
	}
	return nil, nil
}

// findGreedy walks to the deepest route that ends in a greedy variable and
// leaves something for that variable to hold.
func (n *node) findGreedy(method, rest string, values []string) (*endpoint, []string) {
	best, bestValues, _ := n.deepestGreedy(method, rest, values, 0)
	return best, bestValues
}

func (n *node) deepestGreedy(method, rest string, values []string, depth int) (best *endpoint, bestValues []string, bestDepth int) {
	if strings.Trim(rest, "/") == "" {
		return nil, nil, 0
	}
	if e := choose(n.greedy, method); e != nil {
		best, bestValues, bestDepth = e, slices.Concat(values, []string{decode(rest)}), depth
	}
	head, tail, more := strings.Cut(rest, "/")
	if !more {
		return best, bestValues, bestDepth
	}
	text := decode(head)
	try := func(c *node, values []string) {
		if e, v, d := c.deepestGreedy(method, tail, values, depth+1); e != nil && d > bestDepth {
			best, bestValues, bestDepth = e, v, d
		}
	}
	if c := n.literals[text]; c != nil {
		try(c, values)
	}
	if n.variable != nil && text != "" {
		try(n.variable, append(values[:len(values):len(values)], text))
	}
	return best, bestValues, bestDepth
}

func choose(byMethod map[string]*endpoint, method string) *endpoint {
	if e := byMethod[method]; e != nil {
		return e
	}
	return byMethod[anyMethod]
}

// decode undoes percent-encoding. What is not a valid encoding stays as it is:
// the HTTP server has refused such paths already.
func decode(s string) string {
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}

func (e *endpoint) match(values []string) Match {
	m := Match{Key: e.key, Function: e.function, Timeout: e.timeout}
	if len(values) == 0 {
		return m
	}
	m.Params = make(map[string]string, len(values))
	for _, s := range e.segments {
		if s.kind != literal {
			m.Params[s.text] = values[0]
			values = values[1:]
		}
	}
	return m
}
