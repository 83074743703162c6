package template

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// httpAPI reads an event of type HttpApi: a route.
func (s scope) httpAPI(fn *Function, line int, props *node) {
	s.known(props, []string{"ApiId", "Auth", "Method", "Path", "PayloadFormatVersion", "RouteSettings", "Stage", "TimeoutInMillis"})
	if fn.Service {
		s.refuse(line, "a function that runs as a service is not invoked, so that it cannot serve routes")
		return
	}
	if f, v := s.field(props, "Auth"); v != nil && len(v.items) > 0 {
		f.refuse(v.line, "is not supported: requests would pass without authorization")
	}
	route := Route{FunctionID: fn.LogicalID, PayloadVersion: "2.0", Timeout: 30 * time.Second, Line: line}
	ok := s.routeKey(&route, props)
	if f, v := s.field(props, "TimeoutInMillis"); v != nil {
		if n, good := f.integer(v, 50, 30_000); good {
			route.Timeout = time.Duration(n) * time.Millisecond
		}
	}
	if f, v := s.field(props, "PayloadFormatVersion"); v != nil {
		version, good := f.oneOf(v, "1.0", "2.0")
		if good && version == "1.0" {
			f.refuse(v.line, "1.0 is not supported: the emulator speaks payload format 2.0; the route is left out")
		}
		ok = ok && good && version == "2.0"
	}
	api, good := s.apiOf(props)
	if !ok || !good {
		return
	}
	for _, other := range s.routes[api] {
		if other.Method == route.Method && other.Path == route.Path {
			s.fail(line, "%s already has the route %s %s, in line %d", api, route.Method, route.Path, other.Line)
			return
		}
	}
	s.routes[api] = append(s.routes[api], route)
}

var segmentVariable = regexp.MustCompile(`^\{[A-Za-z0-9._:-]+\+?\}$`)

// routeKey reads the method and path of a route.
func (s scope) routeKey(route *Route, props *node) bool {
	m, method := s.field(props, "Method")
	p, path := s.field(props, "Path")
	switch {
	case method == nil && path == nil:
		route.Method, route.Path = "ANY", "$default"
		return true
	case method == nil:
		m.fail(route.Line, "is missing: Path and Method belong together; with neither the event is the default route")
		return false
	case path == nil:
		p.fail(route.Line, "is missing: Path and Method belong together; with neither the event is the default route")
		return false
	}
	name, ok := m.static(method)
	if ok {
		route.Method = strings.ToUpper(name)
		if route.Method == "X-AMAZON-APIGATEWAY-ANY-METHOD" {
			route.Method = "ANY"
		}
		methods := []string{"ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
		if !slices.Contains(methods, route.Method) {
			m.fail(method.line, "%q is not an HTTP method of API Gateway: %s", name, listed(methods))
			ok = false
		}
	}
	var good bool
	if route.Path, good = p.static(path); !good {
		return false
	}
	if route.Path == "$default" {
		if ok && route.Method != "ANY" {
			m.fail(method.line, "the $default route takes every method: use ANY")
			return false
		}
		return ok
	}
	if why := wrongPath(route.Path); why != "" {
		p.fail(path.line, "%q: %s", route.Path, why)
		return false
	}
	return ok
}

// wrongPath says what API Gateway would not accept about the path of a route.
func wrongPath(path string) string {
	if !strings.HasPrefix(path, "/") {
		return "a path starts with /"
	}
	segments := strings.Split(path[1:], "/")
	seen := make(map[string]bool)
	for i, segment := range segments {
		if !strings.ContainsAny(segment, "{}") {
			continue
		}
		if !segmentVariable.MatchString(segment) {
			return "a path variable is a whole segment, such as {id} or {proxy+}"
		}
		name, greedy := strings.CutSuffix(strings.Trim(segment, "{}"), "+")
		if greedy && i != len(segments)-1 {
			return "a greedy variable such as {proxy+} is the last segment"
		}
		if seen[name] {
			return "two variables have the same name"
		}
		seen[name] = true
	}
	return ""
}
