package console_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photofinish/localdev/console"
	"photofinish/shared/redistest"
)

func TestTryPassesRequestsOn(t *testing.T) {
	t.Parallel()
	type request struct {
		Method, Path, Query, Body, Host, Type string
		Left                                  []string // headers that should not be there
	}
	var got request
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 100)
		n, _ := r.Body.Read(b)
		got = request{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Body: string(b[:n]), Host: r.Host, Type: r.Header.Get("Content-Type")}
		for _, name := range []string{"Origin", "Referer", "Cookie"} {
			if r.Header.Get(name) != "" {
				got.Left = append(got.Left, name)
			}
		}
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "script-src *")
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Set("Idempotent-Replayed", "true")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte("<script>alert(1)</script>"))
	}))
	defer api.Close()
	s := open(t, redistest.Embedded(t), func(c *console.Config) { c.API = api.URL })
	resp, text := ask(t, http.MethodPost, s.url+"/try/inventory/a%2Fb/receipts?warehouse=main&x=1", `{"orderId":"29"}`,
		"Origin", s.url, "Referer", s.url+"/", "Cookie", "c=d", "Content-Type", "application/json")
	want := request{
		Method: "POST", Path: "/inventory/a%2Fb/receipts", Query: "warehouse=main&x=1", Body: `{"orderId":"29"}`,
		Host: strings.TrimPrefix(api.URL, "http://"), Type: "application/json",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the API got (-want +got):\n%s", diff)
	}
	if resp.StatusCode != 201 || text != "<script>alert(1)</script>" || resp.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the answer is %d %q %v", resp.StatusCode, text, resp.Header)
	}
	// Whatever the application answers must not run as a page of the console.
	if diff := cmp.Diff([]string{"default-src 'none'; sandbox"}, resp.Header.Values("Content-Security-Policy")); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
	if resp.Header.Get("Set-Cookie") != "" {
		t.Error("the application can set cookies for the console")
	}
}

func TestTryRefuses(t *testing.T) {
	t.Parallel()
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	for _, test := range []struct {
		name, api, body string
		status          int
	}{
		{"without an API", "", "{}", 404},
		{"when the API is away", away.URL, "{}", 502},
	} {
		s := open(t, redistest.Embedded(t), func(c *console.Config) { c.API = test.api })
		if resp, text := ask(t, http.MethodPost, s.url+"/try/orders", test.body); resp.StatusCode != test.status {
			t.Errorf("%s: %d %s, want %d", test.name, resp.StatusCode, text, test.status)
		}
	}
}

func TestTryBoundsBodies(t *testing.T) {
	t.Parallel()
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // ends early when the body is too large
	}))
	defer api.Close()
	s := open(t, redistest.Embedded(t), func(c *console.Config) { c.API = api.URL })
	if resp, text := ask(t, http.MethodPost, s.url+"/try/orders", strings.Repeat("x", 300<<10)); resp.StatusCode != 413 {
		t.Errorf("with its length told: %d %s, want 413", resp.StatusCode, text)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/try/orders", io.LimitReader(endless{}, 300<<10))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("in chunks: %d %s, want 413", resp.StatusCode, body(t, resp))
	}
	if resp, text := ask(t, http.MethodPost, s.url+"/try/orders", strings.Repeat("x", 100<<10)); resp.StatusCode != 200 {
		t.Errorf("%d %s, want 200", resp.StatusCode, text)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }
