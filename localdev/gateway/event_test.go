package gateway_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"photofinish/localdev/gateway"
)

var fixtureMeta = gateway.Meta{
	RequestID: "LV7fzho-PHcEJPw=",
	TraceID:   "Root=1-5e9f0c65-1de4d666d4dd26aced652b6c",
	Time:      time.UnixMilli(1587481701067),
	Stage:     "$default",
	Domain:    "aaaaaaaaaa.execute-api.us-west-2.amazonaws.com",
	APIID:     "aaaaaaaaaa",
	AccountID: "123456789012",
}

// TestEventEqualsRecorded compares with an event recorded on AWS, which the
// module aws-lambda-go carries among its test data.
func TestEventEqualsRecorded(t *testing.T) {
	t.Parallel()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	recorded, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "events", "testdata", "apigw-v2-request-no-authorizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := decodeAny(t, recorded)
	delete(want["requestContext"].(map[string]any), "authentication") // mutual TLS only

	r := httptest.NewRequest(http.MethodGet, "https://"+fixtureMeta.Domain+"/", nil)
	r.TLS = &tls.ConnectionState{}
	r.RemoteAddr = "1.2.3.4:5678"
	r.Header.Set("Accept", "*/*")
	r.Header.Set("User-Agent", "curl/7.58.0")
	got := gateway.Event(r, nil, gateway.Match{Key: "$default"}, fixtureMeta)
	if diff := cmp.Diff(want, decodeAny(t, got)); diff != "" {
		t.Errorf("event (-recorded +got):\n%s", diff)
	}
}

func decodeAny(t testing.TB, data []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// decode reads an event as a Go function would, and refuses keys it does not know.
func decode(t testing.TB, data []byte) events.APIGatewayV2HTTPRequest {
	t.Helper()
	var e events.APIGatewayV2HTTPRequest
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		t.Fatalf("decoding the event: %v\n%s", err, data)
	}
	return e
}

func eventOf(t testing.TB, target string, header http.Header, body string) (events.APIGatewayV2HTTPRequest, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	if header != nil {
		r.Header = header
	}
	data := gateway.Event(r, []byte(body), gateway.Match{Key: "POST /{p+}", Params: map[string]string{"p": "x"}}, fixtureMeta)
	return decode(t, data), decodeAny(t, data)
}

func TestEventAbsentKeys(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	minimal := decodeAny(t, gateway.Event(r, nil, gateway.Match{Key: "GET /"}, fixtureMeta))
	for _, key := range []string{"cookies", "queryStringParameters", "pathParameters", "stageVariables", "body"} {
		if v, ok := minimal[key]; ok {
			t.Errorf("%s = %v, want it absent", key, v)
		}
	}
	for key, want := range map[string]any{"rawQueryString": "", "isBase64Encoded": false, "version": "2.0"} {
		if got, ok := minimal[key]; !ok || got != want {
			t.Errorf("%s = %v (present %v), want %v", key, got, ok, want)
		}
	}
	ctx := minimal["requestContext"].(map[string]any)
	for _, key := range []string{"authorizer", "authentication"} {
		if v, ok := ctx[key]; ok {
			t.Errorf("requestContext.%s = %v, want it absent", key, v)
		}
	}
	if agent, ok := ctx["http"].(map[string]any)["userAgent"]; !ok || agent != "" {
		t.Errorf("userAgent = %v (present %v), want the empty string", agent, ok)
	}
}

func TestEventPathAndQuery(t *testing.T) {
	t.Parallel()
	tests := []struct {
		target, path, raw string
		query             map[string]string
	}{
		{"/a%20b", "/a b", "", nil},
		{"/%E2%98%95%20Coffee", "/☕ Coffee", "", nil},
		{"/a%2Fb", "/a/b", "", nil},
		{"/a?", "/a", "", nil},
		{"/a?flag", "/a", "flag", map[string]string{"flag": ""}},
		{"/a?q=1&q=2&r=%26&q=3", "/a", "q=1&q=2&r=%26&q=3", map[string]string{"q": "1,2,3", "r": "&"}},
		{"/a?q=a+b%2B", "/a", "q=a+b%2B", map[string]string{"q": "a b+"}},
		{"/a?q=%zz;x&&=y", "/a", "q=%zz;x&&=y", map[string]string{"q": "%zz;x", "": "y"}},
		{"/a?&", "/a", "&", nil},
	}
	for _, tt := range tests {
		e, raw := eventOf(t, tt.target, nil, "")
		if e.RawPath != tt.path || e.RequestContext.HTTP.Path != tt.path || e.RawQueryString != tt.raw {
			t.Errorf("%s: rawPath %q, http.path %q, rawQueryString %q", tt.target, e.RawPath, e.RequestContext.HTTP.Path, e.RawQueryString)
		}
		if diff := cmp.Diff(tt.query, e.QueryStringParameters); diff != "" {
			t.Errorf("%s: queryStringParameters (-want +got):\n%s", tt.target, diff)
		}
		if _, ok := raw["queryStringParameters"]; ok != (tt.query != nil) {
			t.Errorf("%s: queryStringParameters present: %v", tt.target, ok)
		}
	}
}

func TestEventHeaders(t *testing.T) {
	t.Parallel()
	e, _ := eventOf(t, "http://api.test:8080/", http.Header{
		"Cookie":            {"a=1; b=2", " c=3;; "},
		"X-A":               {"1", "2"},
		"X-Forwarded-For":   {"9.9.9.9", "8.8.8.8"},
		"X-Forwarded-Proto": {"gopher"},
		"X-Forwarded-Port":  {"70"},
		"X-Amzn-Trace-Id":   {"not a trace"},
		"Connection":        {"keep-alive, upgrade"},
		"Keep-Alive":        {"timeout=5"},
		"Te":                {"trailers"},
		"Upgrade":           {"websocket"},
		"Transfer-Encoding": {"chunked"},
		"Content-Length":    {"77"},
		"User-Agent":        {"test"},
	}, "hello")
	if diff := cmp.Diff([]string{"a=1", "b=2", "c=3"}, e.Cookies); diff != "" {
		t.Errorf("cookies (-want +got):\n%s", diff)
	}
	want := map[string]string{
		"host":              "api.test:8080",
		"content-length":    "5",
		"user-agent":        "test",
		"x-a":               "1,2",
		"x-amzn-trace-id":   fixtureMeta.TraceID,
		"x-forwarded-for":   "9.9.9.9,8.8.8.8, 192.0.2.1",
		"x-forwarded-port":  "8080",
		"x-forwarded-proto": "http",
	}
	if diff := cmp.Diff(want, e.Headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestEventKeepsTheClientsTrace(t *testing.T) {
	t.Parallel()
	const given = "Root=1-11111111-222222222222222222222222;Sampled=1"
	e, _ := eventOf(t, "/", http.Header{"X-Amzn-Trace-Id": {given}}, "")
	if got := e.Headers["x-amzn-trace-id"]; got != given {
		t.Errorf("x-amzn-trace-id = %q, want %q", got, given)
	}
}

func TestEventBody(t *testing.T) {
	t.Parallel()
	tests := []struct {
		contentType, body string
		text              bool
	}{
		{"application/json", `{"a":"<&>` + "\u2028" + `"}`, true},
		{"application/json; charset=utf-8", "{}", true},
		{`application/JSON; Charset="UTF-8"`, "{}", true},
		{"application/json; charset=iso-8859-1", "{}", false},
		{"application/json", "\xff", false},
		{"application/problem+json", "{}", true},
		{"application/atom+xml", "<a/>", true},
		{"application/xml", "<a/>", true},
		{"application/javascript", "1", true},
		{"text/csv", "a,b", true},
		{"text/plain; charset", "a", false},
		{"application/x-www-form-urlencoded", "a=1", false},
		{"multipart/form-data; boundary=x", "--x--", false},
		{"application/octet-stream", "plain", false},
		{"image/svg+xml", "<svg/>", false},
		{"", "plain", false},
		{";;", "plain", false},
		{"application/json", "", true},
	}
	for _, tt := range tests {
		header := http.Header{}
		if tt.contentType != "" {
			header.Set("Content-Type", tt.contentType)
		}
		e, _ := eventOf(t, "/", header, tt.body)
		want := tt.body
		if !tt.text {
			want = base64.StdEncoding.EncodeToString([]byte(tt.body))
		}
		if e.Body != want || e.IsBase64Encoded == tt.text {
			t.Errorf("%q %q: body %q, base64 %v; want text %v", tt.contentType, tt.body, e.Body, e.IsBase64Encoded, tt.text)
		}
	}
}

func TestEventIsNotHTMLEscaped(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/?a=1&b=2", nil)
	r.Header.Set("Content-Type", "text/html")
	data := gateway.Event(r, []byte("<p>"), gateway.Match{}, fixtureMeta)
	if !bytes.Contains(data, []byte(`"a=1&b=2"`)) || !bytes.Contains(data, []byte(`"<p>"`)) || bytes.HasSuffix(data, []byte("\n")) {
		t.Errorf("event = %s", data)
	}
}

func FuzzEvent(f *testing.F) {
	f.Add("/a%20b", "q=1&q=2&flag", "a=1; b=2", "application/json", []byte(`{"x":1}`))
	f.Add("/%E2%98%95", "%zz=+;&&", ";", "text/plain; charset=latin1", []byte{0xff, 0})
	f.Fuzz(func(t *testing.T, path, query, cookie, contentType string, body []byte) {
		u, err := url.Parse("http://h" + path)
		if err != nil {
			return
		}
		u.RawQuery = query
		r := &http.Request{Method: "POST", URL: u, Host: "h", RemoteAddr: "[::1]:9", Header: http.Header{
			"Cookie": {cookie}, "Content-Type": {contentType},
		}}
		e := decode(t, gateway.Event(r, body, gateway.Match{Key: "$default"}, fixtureMeta))
		got := []byte(e.Body)
		if e.IsBase64Encoded {
			if got, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, body) {
			t.Errorf("body %q became %q", body, got)
		}
		if utf8.ValidString(query) && e.RawQueryString != query {
			t.Errorf("query %q became %q", query, e.RawQueryString)
		}
		if e.RequestContext.HTTP.SourceIP != "::1" || e.Headers["x-forwarded-for"] != "::1" {
			t.Errorf("source address: %+v", e.RequestContext.HTTP)
		}
		if _, ok := e.Headers["cookie"]; ok {
			t.Error("the event has a cookie header")
		}
	})
}
