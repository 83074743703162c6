package console_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photofinish/localdev/console"
	"photofinish/shared/redistest"
)

func body(t *testing.T, resp *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return b
}

// ask sends a request and returns the answer with its body.
func ask(t *testing.T, method, url, content string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp, string(body(t, resp))
}

func TestOnlyLoopbackNamesAreServed(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Embedded(t), nil)
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:3002": 200, "localhost": 200, "LocalHost:80": 200, "[::1]": 200, "[::1]:3002": 200,
		"evil.example": 403, "evil.example:3002": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example:3002": 403,
		"10.0.0.1:3002": 403, "[::2]:3002": 403, "127.0.0.1:3002:80": 403, "evil@127.0.0.1": 403,
	} {
		for _, path := range []string{"/", "/api/state", "/app.js", "/try/orders", "/api/services/x/scale"} {
			resp, _ := ask(t, http.MethodGet, s.url+path, "", "Host", host)
			switch got := resp.StatusCode; {
			case want == 403 && got != 403 && got != 400, // net/http itself refuses some
				want == 200 && got == 403, want == 200 && path == "/" && got != 200:
				t.Errorf("GET %s with Host %s: %d, want %d", path, host, got, want)
			}
		}
	}
}

func TestOtherSitesCannotPost(t *testing.T) {
	t.Parallel()
	reached := 0
	api := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	defer api.Close()
	scaled := 0
	s := open(t, redistest.Embedded(t), func(c *console.Config) {
		c.API = api.URL
		c.Services = func() []console.Service { return []console.Service{{Name: "Bridge"}} }
		c.Scale = func(string, int) error { scaled++; return nil }
	})
	for _, path := range []string{"/try/orders", "/api/services/Bridge/scale"} {
		for _, headers := range [][]string{
			{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Origin", "http://127.0.0.1:1"},
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		} {
			headers = append(headers, "Content-Type", "application/json")
			if resp, _ := ask(t, http.MethodPost, s.url+path, `{"count":1}`, headers...); resp.StatusCode != 403 {
				t.Errorf("POST %s with %v: %d, want 403", path, headers, resp.StatusCode)
			}
		}
	}
	if reached != 0 || scaled != 0 {
		t.Errorf("%d requests reached the API and %d scaled a service", reached, scaled)
	}
	ask(t, http.MethodPost, s.url+"/try/orders", "{}", "Origin", s.url, "Sec-Fetch-Site", "same-origin")
	ask(t, http.MethodPost, s.url+"/api/services/Bridge/scale", `{"count":1}`, "Origin", s.url, "Content-Type", "application/json")
	if reached != 1 || scaled != 1 {
		t.Errorf("of the page's own requests %d of 1 reached the API and %d of 1 scaled a service", reached, scaled)
	}
}

func TestThePageNeedsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Embedded(t), nil)
	resp, html := ask(t, http.MethodGet, s.url+"/", "")
	if got := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'self';") {
		t.Errorf("the policy is %q", got)
	}
	if resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Error("the browser may guess media types")
	}
	files := regexp.MustCompile(`(?:href|src)="(/[^"]+)"`).FindAllStringSubmatch(html, -1)
	queue := map[string]bool{}
	for _, m := range files {
		queue[m[1]] = true
	}
	outside := regexp.MustCompile(`(?i)https?://(?:www\.w3\.org/2000/svg)?|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|<style|\sstyle=|\son\w+="`)
	imports := regexp.MustCompile(`from "\./([a-z]+\.js)"`)
	seen := map[string]bool{}
	for len(queue) > 0 {
		for path := range queue {
			delete(queue, path)
			if seen[path] {
				continue
			}
			seen[path] = true
			resp, text := ask(t, http.MethodGet, s.url+path, "")
			want := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}[path[strings.LastIndex(path, "."):]]
			if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != want {
				t.Errorf("GET %s: %d %s, want 200 %s", path, resp.StatusCode, got, want)
			}
			again, _ := ask(t, http.MethodGet, s.url+path, "", "If-None-Match", resp.Header.Get("Etag"))
			if again.StatusCode != http.StatusNotModified {
				t.Errorf("GET %s again: %d, want 304", path, again.StatusCode)
			}
			for _, found := range outside.FindAllString(text, -1) {
				if found != "http://www.w3.org/2000/svg" { // a name, not an address
					t.Errorf("%s contains %q", path, found)
				}
			}
			for _, m := range imports.FindAllStringSubmatch(text, -1) {
				queue["/"+m[1]] = true
			}
		}
	}
	if len(seen) < 12 {
		t.Errorf("the page has %d files, 12 or more were expected: %v", len(seen), seen)
	}
	if found := outside.FindString(html); found != "" {
		t.Errorf("the page contains %q", found)
	}
	if resp, _ := ask(t, http.MethodGet, s.url+"/nothing", ""); resp.StatusCode != 404 {
		t.Errorf("GET /nothing: %d, want 404", resp.StatusCode)
	}
}

func TestScale(t *testing.T) {
	t.Parallel()
	var calls []int
	s := open(t, redistest.Embedded(t), func(c *console.Config) {
		c.Services = func() []console.Service { return []console.Service{{Name: "Bridge Function"}} }
		c.Scale = func(name string, n int) error {
			if name != "Bridge Function" {
				t.Errorf("scaled %q", name)
			}
			calls = append(calls, n)
			if n == 13 {
				return errors.New("not thirteen")
			}
			return nil
		}
	})
	for _, test := range []struct {
		name, service, body, media string
		status                     int
		detail                     string
	}{
		{"as wanted", "Bridge%20Function", `{"count":2}`, "application/json", 204, ""},
		{"to none", "Bridge%20Function", `{"count":0}`, "application/json; charset=utf-8", 204, ""},
		{"refused below", "Bridge%20Function", `{"count":13}`, "application/json", 409, "not thirteen"},
		{"negative", "Bridge%20Function", `{"count":-1}`, "application/json", 400, "count"},
		{"too many", "Bridge%20Function", `{"count":21}`, "application/json", 400, "count"},
		{"no count", "Bridge%20Function", `{}`, "application/json", 400, "count"},
		{"not JSON", "Bridge%20Function", `two`, "application/json", 400, "count"},
		{"two values", "Bridge%20Function", `{"count":2}{"count":3}`, "application/json", 400, "count"},
		{"another field", "Bridge%20Function", `{"count":2,"x":1}`, "application/json", 400, "count"},
		{"of a form", "Bridge%20Function", `{"count":2}`, "text/plain", 415, "Content-Type"},
		{"large", "Bridge%20Function", `{"count":` + strings.Repeat(" ", 2000) + `1}`, "application/json", 413, "large"},
		{"another service", "Order", `{"count":2}`, "application/json", 404, "no such service"},
	} {
		resp, text := ask(t, http.MethodPost, s.url+"/api/services/"+test.service+"/scale", test.body, "Content-Type", test.media)
		var p struct{ Detail string }
		_ = json.Unmarshal([]byte(text), &p)
		if resp.StatusCode != test.status || !strings.Contains(p.Detail, test.detail) {
			t.Errorf("%s: %d %q, want %d with %q", test.name, resp.StatusCode, text, test.status, test.detail)
		}
	}
	if diff := cmp.Diff([]int{2, 0, 13}, calls); diff != "" {
		t.Errorf("scaled (-want +got):\n%s", diff)
	}
	if resp, _ := ask(t, http.MethodGet, s.url+"/api/services/Bridge%20Function/scale", ""); resp.StatusCode != 405 {
		t.Errorf("GET of scale: %d, want 405", resp.StatusCode)
	}
}

func TestScaleWithoutTheMeans(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Embedded(t), nil)
	if resp, _ := ask(t, http.MethodPost, s.url+"/api/services/Bridge/scale", `{"count":1}`, "Content-Type", "application/json"); resp.StatusCode != 404 {
		t.Errorf("%d, want 404", resp.StatusCode)
	}
}
