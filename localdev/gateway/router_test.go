package gateway_test

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photofinish/localdev/gateway"
)

// routes makes a router from lines of "METHOD /path" (or "$default"); each
// route's function is its own line.
func router(t testing.TB, lines ...string) *gateway.Router {
	t.Helper()
	rt, err := gateway.NewRouter(parse(lines...))
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

func parse(lines ...string) []gateway.Route {
	var routes []gateway.Route
	for _, line := range lines {
		method, path, ok := strings.Cut(line, " ")
		if !ok {
			method, path = "", line
		}
		routes = append(routes, gateway.Route{Method: method, Path: path, Function: line})
	}
	return routes
}

func TestMatchOrder(t *testing.T) {
	t.Parallel()
	pets := []string{"GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"}
	tests := []struct {
		name   string
		routes []string
		method string
		path   string
		want   string // "" means no route
		params map[string]string
	}{
		{"full path", pets, "GET", "/pets/dog/1", "GET /pets/dog/1", nil},
		{"variable", pets, "GET", "/pets/dog/2", "GET /pets/dog/{id}", map[string]string{"id": "2"}},
		{"longest greedy", pets, "GET", "/pets/cat/1", "GET /pets/{proxy+}", map[string]string{"proxy": "cat/1"}},
		{"other greedy", pets, "POST", "/test/5", "ANY /{proxy+}", map[string]string{"proxy": "test/5"}},
		{"full path of another method", pets, "POST", "/pets/dog/1", "ANY /{proxy+}", map[string]string{"proxy": "pets/dog/1"}},
		{"nothing for a greedy variable", pets, "GET", "/", "$default", nil},
		{"empty path is the root", []string{"GET /"}, "GET", "", "GET /", nil},

		{"method before ANY", []string{"ANY /a", "GET /a"}, "GET", "/a", "GET /a", nil},
		{"ANY for the other methods", []string{"ANY /a", "GET /a"}, "PUT", "/a", "ANY /a", nil},
		{"method before ANY, greedy", []string{"ANY /a/{p+}", "GET /a/{p+}"}, "GET", "/a/b", "GET /a/{p+}", map[string]string{"p": "b"}},
		{"path before method", []string{"GET /{x}", "ANY /a"}, "GET", "/a", "ANY /a", nil},
		{"greedy path before method", []string{"GET /{p+}", "ANY /a/{p+}"}, "GET", "/a/b", "ANY /a/{p+}", map[string]string{"p": "b"}},
		{"all variables before greedy", []string{"GET /a/{p+}", "GET /{x}/{y}/{z}"}, "GET", "/a/b/c", "GET /{x}/{y}/{z}", map[string]string{"x": "a", "y": "b", "z": "c"}},
		{"backtracks from text to variable", []string{"GET /a/b", "GET /{x}/c"}, "GET", "/a/c", "GET /{x}/c", map[string]string{"x": "a"}},
		{"backtracks, greedy", []string{"GET /a/b/c", "GET /{x}/b/{p+}"}, "GET", "/a/b/d", "GET /{x}/b/{p+}", map[string]string{"x": "a", "p": "d"}},
		{"text before variable before a greedy", []string{"GET /{x}/{p+}", "GET /a/{q+}"}, "GET", "/a/b", "GET /a/{q+}", map[string]string{"q": "b"}},
		{"names are the route's own", []string{"GET /a/{x}", "POST /a/{y}"}, "POST", "/a/1", "POST /a/{y}", map[string]string{"y": "1"}},

		{"trailing slash is another path", []string{"GET /pets"}, "GET", "/pets/", "", nil},
		{"trailing slash, defined", []string{"GET /pets", "GET /pets/"}, "GET", "/pets/", "GET /pets/", nil},
		{"empty variable", []string{"GET /pets/{id}"}, "GET", "/pets/", "", nil},
		{"greedy needs a segment", []string{"GET /pets/{p+}"}, "GET", "/pets/", "", nil},
		{"greedy keeps slashes", []string{"GET /pets/{p+}"}, "GET", "/pets/a//b/", "GET /pets/{p+}", map[string]string{"p": "a//b/"}},
		{"case matters in paths", []string{"GET /pets"}, "GET", "/Pets", "", nil},
		{"case does not matter in methods of routes", []string{"get /pets"}, "GET", "/pets", "GET /pets", nil},
		{"method without route", []string{"GET /pets"}, "POST", "/pets", "", nil},
		{"no routes", nil, "GET", "/", "", nil},
		{"not a path", []string{"GET /{p+}"}, "GET", "*", "", nil},

		{"decoded variable", []string{"GET /f/{n}"}, "GET", "/f/a%20b%25", "GET /f/{n}", map[string]string{"n": "a b%"}},
		{"plus is not a space", []string{"GET /f/{n}"}, "GET", "/f/a+b", "GET /f/{n}", map[string]string{"n": "a+b"}},
		{"encoded slash stays in its segment", []string{"GET /f/{n}"}, "GET", "/f/a%2Fb", "GET /f/{n}", map[string]string{"n": "a/b"}},
		{"decoded greedy", []string{"GET /f/{n+}"}, "GET", "/f/a%2Fb/%E2%98%95", "GET /f/{n+}", map[string]string{"n": "a/b/☕"}},
		{"encoded text", []string{"GET /café"}, "GET", "/caf%C3%A9", "GET /café", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, ok := router(t, tt.routes...).Match(tt.method, tt.path)
			if ok != (tt.want != "") || m.Key != tt.want {
				t.Fatalf("Match(%s, %s) = %q, %v; want %q", tt.method, tt.path, m.Key, ok, tt.want)
			}
			if diff := cmp.Diff(tt.params, m.Params); diff != "" {
				t.Errorf("params (-want +got):\n%s", diff)
			}
			if ok && (m.Timeout != gateway.MaxTimeout || !strings.EqualFold(m.Function, tt.want)) {
				t.Errorf("timeout %v, function %q", m.Timeout, m.Function)
			}
		})
	}
}

func TestNewRouterRefuses(t *testing.T) {
	t.Parallel()
	f := func(method, path string) []gateway.Route {
		return []gateway.Route{{Method: method, Path: path, Function: "f"}}
	}
	tests := []struct {
		name   string
		routes []gateway.Route
		says   string
	}{
		{"duplicate", parse("GET /a", "get /a"), "same requests"},
		{"duplicate under other names", parse("GET /a/{x}", "GET /a/{y}"), "same requests"},
		{"duplicate greedy", parse("ANY /a/{x+}", "ANY /a/{y+}"), "same requests"},
		{"two defaults", parse("$default", "$default"), "twice"},
		{"default with a method", f("GET", "$default"), "every method"},
		{"no method", f("", "/a"), "method"},
		{"unknown method", f("FETCH", "/a"), "method"},
		{"no path", f("GET", ""), "slash"},
		{"relative path", f("GET", "a"), "slash"},
		{"empty segment", f("GET", "/a//b"), "empty segment"},
		{"query", f("GET", "/a?b"), "'?'"},
		{"encoded path", f("GET", "/a%20b"), "'%'"},
		{"space", f("GET", "/a b"), "' '"},
		{"control character", f("GET", "/a\x00"), `'\x00'`},
		{"not UTF-8", f("GET", "/\xff"), "UTF-8"},
		{"half a variable", f("GET", "/x{id}"), "whole segment"},
		{"open variable", f("GET", "/{id"), "whole segment"},
		{"variable without a name", f("GET", "/{}"), "no variable name"},
		{"greedy without a name", f("GET", "/{+}"), "no variable name"},
		{"bad name", f("GET", "/{a*}"), "letters"},
		{"greedy inside", f("GET", "/{a+}/b"), "not the last"},
		{"the same name twice", f("GET", "/{a}/{a}"), "twice"},
		{"no function", []gateway.Route{{Method: "GET", Path: "/a"}}, "function"},
		{"timeout too short", []gateway.Route{{Method: "GET", Path: "/a", Function: "f", Timeout: time.Millisecond}}, "timeout"},
		{"timeout too long", []gateway.Route{{Method: "GET", Path: "/a", Function: "f", Timeout: time.Minute}}, "timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := gateway.NewRouter(tt.routes)
			if !errors.Is(err, gateway.ErrRoute) || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("err = %v, want ErrRoute that says %q", err, tt.says)
			}
			last := strconv.Quote(tt.routes[len(tt.routes)-1].Path)
			if !strings.Contains(err.Error(), strings.Trim(last, `"`)) {
				t.Errorf("err = %v does not name the route %s", err, last)
			}
		})
	}
}

// FuzzRouter checks the tree against the rules applied one by one to each route.
func FuzzRouter(f *testing.F) {
	f.Add("GET /pets/dog/1\nGET /pets/dog/{id}\nGET /pets/{proxy+}\nANY /{proxy+}\n$default", "POST", "/test/5")
	f.Add("GET /a/b\nGET /{x}/c\nANY /{x}/{y}\nGET /a/{p+}", "GET", "/a/c")
	f.Add("GET /\nGET /a/\nGET /{a}/", "GET", "/a/")
	f.Add("GET /{a}/{b+}\nANY /x/{c}", "GET", "/x/%2F//%zz")
	f.Fuzz(func(t *testing.T, table, method, path string) {
		routes := parse(strings.Split(table, "\n")...)
		rt, err := gateway.NewRouter(routes)
		if err != nil {
			if !errors.Is(err, gateway.ErrRoute) {
				t.Fatalf("err = %v", err)
			}
			return
		}
		got, ok := rt.Match(method, path)
		want, params, found := naiveMatch(routes, method, path)
		if ok != found || !strings.EqualFold(got.Key, want) {
			t.Fatalf("routes %q: Match(%q, %q) = %q, %v; want %q, %v", table, method, path, got.Key, ok, want, found)
		}
		if diff := cmp.Diff(params, got.Params); diff != "" {
			t.Fatalf("routes %q: Match(%q, %q): params (-want +got):\n%s", table, method, path, diff)
		}
	})
}

// naiveMatch tries every route and keeps the best by comparing ranks.
func naiveMatch(routes []gateway.Route, method, path string) (key string, best map[string]string, found bool) {
	if path == "" {
		path = "/"
	}
	bestRank := ""
	for _, r := range routes {
		m := strings.ToUpper(r.Method)
		if r.Path == gateway.DefaultRoute {
			if bestRank == "" {
				key, found = r.Path, true
			}
			continue
		}
		if m != method && m != "ANY" {
			continue
		}
		params, rank, ok := naiveFit(r.Path, path)
		if !ok {
			continue
		}
		if m == method { // what the route says of the path counts first
			rank += "1"
		} else {
			rank += "0"
		}
		if rank > bestRank {
			key, best, bestRank, found = m+" "+r.Path, params, rank, true
		}
	}
	return key, best, found
}

// naiveFit ranks as text: "9" for a full match or "5" for a greedy one of that
// prefix length, then per segment "2" for text and "1" for a variable.
func naiveFit(route, path string) (params map[string]string, rank string, ok bool) {
	if !strings.HasPrefix(path, "/") {
		return nil, "", false
	}
	unescape := func(s string) string {
		if d, err := url.PathUnescape(s); err == nil {
			return d
		}
		return s
	}
	set := func(name, value string) {
		if params == nil {
			params = map[string]string{}
		}
		params[name] = value
	}
	have, want := strings.Split(path[1:], "/"), strings.Split(route[1:], "/")
	for i, w := range want {
		name, isVar := strings.CutPrefix(w, "{")
		name = strings.TrimSuffix(name, "}")
		if name, isGreedy := strings.CutSuffix(name, "+"); isVar && isGreedy {
			if i >= len(have) || strings.Trim(strings.Join(have[i:], ""), "/") == "" {
				return nil, "", false
			}
			set(name, unescape(strings.Join(have[i:], "/")))
			return params, "5" + strings.Repeat("9", i) + "0" + rank, true
		}
		if i >= len(have) {
			return nil, "", false
		}
		h := unescape(have[i])
		switch {
		case isVar && h == "", !isVar && h != w:
			return nil, "", false
		case isVar:
			set(name, h)
			rank += "1"
		default:
			rank += "2"
		}
	}
	return params, "9" + rank, len(have) == len(want)
}
