package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photofinish/localdev/gateway"
)

// corsHeaders picks the Access-Control headers, without that prefix.
func corsHeaders(h http.Header) map[string]string {
	found := map[string]string{}
	for name, values := range h {
		if short, ok := strings.CutPrefix(name, "Access-Control-"); ok {
			found[short] = strings.Join(values, "|")
		}
	}
	return found
}

func preflight(origin string) http.Header {
	return http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	full := gateway.CORS{
		AllowOrigins: []string{"https://a.example", "http://*"}, AllowMethods: []string{"GET", "POST"},
		AllowHeaders: []string{"x-a", "x-b"}, ExposeHeaders: []string{"x-c"}, MaxAge: new(0), AllowCredentials: true,
	}
	allowed := func(origin string) map[string]string {
		return map[string]string{
			"Allow-Origin": origin, "Allow-Methods": "GET,POST", "Allow-Headers": "x-a,x-b", "Max-Age": "0", "Allow-Credentials": "true",
		}
	}
	everyone := gateway.CORS{AllowOrigins: []string{"*"}}
	tests := []struct {
		name   string
		cors   gateway.CORS
		origin string
		want   map[string]string
	}{
		{"listed", full, "https://a.example", allowed("https://a.example")},
		{"scheme", full, "http://localhost:3000", allowed("http://localhost:3000")},
		{"not listed", full, "https://b.example", map[string]string{}},
		{"listed is not a prefix", full, "https://a.example.org", map[string]string{}},
		{"everyone", everyone, "https://b.example", map[string]string{"Allow-Origin": "*"}},
		{"a star inside is no pattern", gateway.CORS{AllowOrigins: []string{"https://a*"}}, "https://ab", map[string]string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, gateway.Config{CORS: &tt.cors, Routes: parse("$default"), Invoke: refusingToRun(t)})
			resp, body := do(t, "OPTIONS", srv.URL+"/no/such/route", preflight(tt.origin), nil)
			if resp.StatusCode != http.StatusNoContent || body != "" {
				t.Errorf("got %d %q", resp.StatusCode, body)
			}
			if diff := cmp.Diff(tt.want, corsHeaders(resp.Header)); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			wantRequestID(t, resp)
		})
	}
}

func TestOptionsThatAreNotPreflights(t *testing.T) {
	t.Parallel()
	const payload = `{"statusCode":200,"body":"from the function"}`
	plain := serve(t, gateway.Config{Routes: parse("OPTIONS /a"), Invoke: returning(payload)})
	cors := serve(t, gateway.Config{Routes: parse("OPTIONS /a"), Invoke: returning(payload), CORS: &gateway.CORS{AllowOrigins: []string{"*"}}})
	tests := []struct {
		name, url string
		header    http.Header
		status    int
		body      string
	}{
		{"no CORS, route", plain.URL + "/a", preflight("https://a.example"), 200, "from the function"},
		{"no CORS, no route", plain.URL + "/b", preflight("https://a.example"), 404, `{"message":"Not Found"}`},
		{"no origin", cors.URL + "/a", http.Header{"Access-Control-Request-Method": {"GET"}}, 200, "from the function"},
		{"no method", cors.URL + "/a", http.Header{"Origin": {"https://a.example"}}, 200, "from the function"},
	}
	for _, tt := range tests {
		resp, body := do(t, "OPTIONS", tt.url, tt.header, nil)
		if resp.StatusCode != tt.status || body != tt.body {
			t.Errorf("%s: got %d %q", tt.name, resp.StatusCode, body)
		}
	}
}

func TestActualRequests(t *testing.T) {
	t.Parallel()
	const payload = `{"statusCode":200,"headers":{"access-control-allow-origin":"from the function","Access-Control-Max-Age":"9","x-a":"kept"}}`
	cors := &gateway.CORS{
		AllowOrigins: []string{"https://a.example"}, AllowMethods: []string{"GET"},
		ExposeHeaders: []string{"x-a", "x-b"}, AllowCredentials: true,
	}
	with := serve(t, gateway.Config{Routes: parse("$default"), Invoke: returning(payload), CORS: cors})
	without := serve(t, gateway.Config{Routes: parse("$default"), Invoke: returning(payload)})
	tests := []struct {
		name, url, origin string
		want              map[string]string
	}{
		{"allowed", with.URL, "https://a.example", map[string]string{
			"Allow-Origin": "https://a.example", "Allow-Credentials": "true", "Expose-Headers": "x-a,x-b"}},
		{"not allowed", with.URL, "https://b.example", map[string]string{}},
		{"no origin", with.URL, "", map[string]string{}},
		{"no CORS: the function's own", without.URL, "https://a.example", map[string]string{"Allow-Origin": "from the function", "Max-Age": "9"}},
	}
	for _, tt := range tests {
		header := http.Header{}
		if tt.origin != "" {
			header.Set("Origin", tt.origin)
		}
		resp, _ := do(t, "GET", tt.url, header, nil)
		if diff := cmp.Diff(tt.want, corsHeaders(resp.Header)); diff != "" {
			t.Errorf("%s: headers (-want +got):\n%s", tt.name, diff)
		}
		if resp.StatusCode != 200 || resp.Header.Get("X-A") != "kept" {
			t.Errorf("%s: got %d %v", tt.name, resp.StatusCode, resp.Header)
		}
	}
}
