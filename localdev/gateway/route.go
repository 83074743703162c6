package gateway

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// DefaultRoute is the path of the route that catches what no other route
	// matches. It takes every method.
	DefaultRoute = "$default"

	anyMethod = "ANY"
)

// The bounds API Gateway puts on the time it waits for an integration.
const (
	MinTimeout = 50 * time.Millisecond
	MaxTimeout = 30 * time.Second
)

// ErrRoute is wrapped by every error of NewRouter.
var ErrRoute = errors.New("gateway: invalid route")

// Route sends the requests of one method and path to one function.
type Route struct {
	// Method is an HTTP method or ANY, in any case. It may be empty only for
	// the DefaultRoute.
	Method string
	// Path is "/orders/{id}", "/files/{name+}" or DefaultRoute. A variable fills
	// a whole segment; a greedy one ("+") must be the last segment.
	Path string
	// Function is what Config.Invoke is called with.
	Function string
	// Timeout bounds the wait for the function, MinTimeout to MaxTimeout; zero
	// means MaxTimeout.
	Timeout time.Duration
}

// methods are those a route of an HTTP API may name.
var methods = [...]string{anyMethod, "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

// endpoint is a checked route.
type endpoint struct {
	key      string // "GET /orders/{id}", "$default"
	method   string
	segments []segment
	function string
	timeout  time.Duration
}

type segment struct {
	text string // literal text, or the variable's name
	kind segmentKind
}

type segmentKind int

const (
	literal segmentKind = iota
	variable
	greedy
)

func parseRoute(r Route) (*endpoint, error) {
	e := &endpoint{method: strings.ToUpper(r.Method), function: r.Function, timeout: r.Timeout}
	fail := func(format string, args ...any) (*endpoint, error) {
		return nil, fmt.Errorf("%w %q: %s", ErrRoute, strings.TrimSpace(r.Method+" "+r.Path), fmt.Sprintf(format, args...))
	}
	if r.Function == "" {
		return fail("it names no function")
	}
	if e.timeout == 0 {
		e.timeout = MaxTimeout
	}
	if e.timeout < MinTimeout || e.timeout > MaxTimeout {
		return fail("timeout %v is not within %v to %v", r.Timeout, MinTimeout, MaxTimeout)
	}
	if r.Path == DefaultRoute {
		if e.method != "" && e.method != anyMethod {
			return fail("the %s route takes every method, it cannot be limited to one", DefaultRoute)
		}
		e.key, e.method = DefaultRoute, anyMethod
		return e, nil
	}
	if !knownMethod(e.method) {
		return fail("the method is not one of %s", strings.Join(methods[:], ", "))
	}
	var err error
	if e.segments, err = parsePath(r.Path); err != nil {
		return fail("%v", err)
	}
	e.key = e.method + " " + r.Path
	return e, nil
}

func knownMethod(m string) bool {
	for _, k := range methods {
		if k == m {
			return true
		}
	}
	return false
}

// parsePath splits a route path into segments. A trailing slash is an empty
// literal at the end, so "/pets" and "/pets/" are two paths, as they are on AWS.
func parsePath(path string) ([]segment, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, errors.New("the path does not start with a slash")
	}
	if !utf8.ValidString(path) {
		return nil, errors.New("the path is not UTF-8")
	}
	for _, c := range path {
		if c == '?' || c == '#' || c == '%' || c == '\\' || unicode.IsSpace(c) || unicode.IsControl(c) {
			return nil, fmt.Errorf("the path contains %q", c)
		}
	}
	parts := strings.Split(path[1:], "/")
	segments := make([]segment, 0, len(parts))
	names := make(map[string]bool)
	for i, part := range parts {
		s, err := parseSegment(part)
		last := i == len(parts)-1
		switch {
		case err != nil:
			return nil, err
		case part == "" && !last:
			return nil, errors.New("the path has an empty segment")
		case s.kind == greedy && !last:
			return nil, fmt.Errorf("the greedy variable %s is not the last segment", part)
		case s.kind != literal && names[s.text]:
			return nil, fmt.Errorf("the variable %q occurs twice", s.text)
		case s.kind != literal:
			names[s.text] = true
		}
		segments = append(segments, s)
	}
	return segments, nil
}

func parseSegment(part string) (segment, error) {
	if !strings.ContainsAny(part, "{}") {
		return segment{text: part}, nil
	}
	name, opened := strings.CutPrefix(part, "{")
	name, closed := strings.CutSuffix(name, "}")
	if !opened || !closed {
		return segment{}, fmt.Errorf("the segment %q mixes text and braces; a variable fills a whole segment", part)
	}
	kind := variable
	if n, ok := strings.CutSuffix(name, "+"); ok {
		name, kind = n, greedy
	}
	if name == "" {
		return segment{}, fmt.Errorf("the segment %q has no variable name", part)
	}
	for _, c := range name {
		if !isNameRune(c) {
			return segment{}, fmt.Errorf("the variable name %q may hold only letters, digits and . _ -", name)
		}
	}
	return segment{text: name, kind: kind}, nil
}

func isNameRune(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}
