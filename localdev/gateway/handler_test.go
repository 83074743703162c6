package gateway_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"photofinish/localdev/gateway"
)

type invokeFunc = func(ctx context.Context, function string, event []byte) (gateway.Result, error)

// serve runs an HTTP server with the handler until the test ends.
func serve(t testing.TB, cfg gateway.Config) *httptest.Server {
	t.Helper()
	h, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		srv.Close()
		if err := h.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return srv
}

// echo answers with the event it got.
func echo(_ context.Context, _ string, event []byte) (gateway.Result, error) {
	return gateway.Result{Payload: event}, nil
}

func returning(payload string) invokeFunc {
	return func(context.Context, string, []byte) (gateway.Result, error) {
		return gateway.Result{Payload: []byte(payload)}, nil
	}
}

// do sends a request and reads the answer whole.
func do(t testing.TB, method, url string, header http.Header, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // no redirects, no cookies
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(data)
}

func doEvent(t testing.TB, method, url string, header http.Header, body io.Reader) events.APIGatewayV2HTTPRequest {
	t.Helper()
	resp, data := do(t, method, url, header, body)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", resp.StatusCode, data)
	}
	return decode(t, []byte(data))
}

// wantError checks an answer the gateway made by itself.
func wantError(t testing.TB, resp *http.Response, body string, status int, want string) {
	t.Helper()
	if resp.StatusCode != status || body != want {
		t.Errorf("got %d %q, want %d %q", resp.StatusCode, body, status, want)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	wantRequestID(t, resp)
}

func wantRequestID(t testing.TB, resp *http.Response) {
	t.Helper()
	if id := resp.Header.Get("Apigw-Requestid"); !regexp.MustCompile(`^[A-Za-z0-9_-]{15}=$`).MatchString(id) {
		t.Errorf("Apigw-Requestid %q", id)
	}
}

func TestRequestsAreDistinctAndTimedInMilliseconds(t *testing.T) {
	t.Parallel()
	srv := serve(t, gateway.Config{Routes: parse("$default"), Invoke: echo})
	resp, body := do(t, "GET", srv.URL, nil, nil)
	one := decode(t, []byte(body)).RequestContext
	two := doEvent(t, "GET", srv.URL, nil, nil).RequestContext
	if one.RequestID == two.RequestID {
		t.Errorf("both requests have id %q", one.RequestID)
	}
	if got := resp.Header.Get("Apigw-Requestid"); got != one.RequestID {
		t.Errorf("Apigw-Requestid %q, in the event %q", got, one.RequestID)
	}
	wantRequestID(t, resp)
	at := time.UnixMilli(two.TimeEpoch)
	if age := time.Since(at); age < 0 || age > time.Second {
		t.Errorf("timeEpoch %d is %v from now", two.TimeEpoch, age)
	}
	if want := at.UTC().Format("02/Jan/2006:15:04:05 -0700"); two.Time != want {
		t.Errorf("time %q, want %q", two.Time, want)
	}
}

func TestRequestBecomesEvent(t *testing.T) {
	t.Parallel()
	srv := serve(t, gateway.Config{
		Routes: parse("POST /orders/{id}"), Invoke: echo, StageVariables: map[string]string{"k": "v"},
	})
	e := doEvent(t, "POST", srv.URL+"/orders/a%20b?q=1", http.Header{
		"Cookie": {"a=1; b=2"}, "X-A": {"1", "2"}, "User-Agent": {"test"}, "Content-Type": {"application/json"},
	}, strings.NewReader("{}"))
	host := strings.TrimPrefix(srv.URL, "http://")
	_, port, _ := strings.Cut(host, ":")
	trace, id := e.Headers["x-amzn-trace-id"], e.RequestContext.RequestID
	if !regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`).MatchString(trace) {
		t.Errorf("x-amzn-trace-id %q", trace)
	}
	domain := "localapi00.execute-api.us-east-1.amazonaws.com"
	want := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "POST /orders/{id}", RawPath: "/orders/a b", RawQueryString: "q=1",
		Cookies: []string{"a=1", "b=2"},
		Headers: map[string]string{
			"accept-encoding": "gzip", "content-length": "2", "content-type": "application/json", "host": host,
			"user-agent": "test", "x-a": "1,2", "x-amzn-trace-id": trace,
			"x-forwarded-for": "127.0.0.1", "x-forwarded-port": port, "x-forwarded-proto": "http",
		},
		QueryStringParameters: map[string]string{"q": "1"},
		PathParameters:        map[string]string{"id": "a b"},
		StageVariables:        map[string]string{"k": "v"},
		Body:                  "{}",
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: "POST /orders/{id}", AccountID: "123456789012", APIID: "localapi00", Stage: "$default",
			DomainName: domain, DomainPrefix: "localapi00", RequestID: id,
			Time: e.RequestContext.Time, TimeEpoch: e.RequestContext.TimeEpoch,
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: "POST", Path: "/orders/a b", Protocol: "HTTP/1.1", SourceIP: "127.0.0.1", UserAgent: "test",
			},
		},
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

func TestBodiesThatAreNotText(t *testing.T) {
	t.Parallel()
	srv := serve(t, gateway.Config{Routes: parse("ANY /{p+}"), Invoke: echo})
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	tests := []struct {
		header http.Header
		body   string
		text   bool
	}{
		{form, "a=1", false},
		{http.Header{"Content-Type": {"application/json"}}, `{"a":1}`, true},
		{nil, "\xff", false},
	}
	for _, tt := range tests {
		e := doEvent(t, "POST", srv.URL+"/x", tt.header, strings.NewReader(tt.body))
		got := e.Body
		if e.IsBase64Encoded {
			b, err := base64.StdEncoding.DecodeString(got)
			if err != nil {
				t.Fatal(err)
			}
			got = string(b)
		}
		if got != tt.body || e.IsBase64Encoded == tt.text {
			t.Errorf("%q: body %q, base64 %v", tt.body, e.Body, e.IsBase64Encoded)
		}
	}
	chunked := doEvent(t, "POST", srv.URL+"/x", http.Header{"Content-Type": {"text/plain"}}, io.MultiReader(strings.NewReader("ab"), strings.NewReader("c")))
	if chunked.Body != "abc" || chunked.Headers["content-length"] != "3" || chunked.Headers["transfer-encoding"] != "" {
		t.Errorf("chunked: body %q, headers %v", chunked.Body, chunked.Headers)
	}
}

func TestDomain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		domain, name, prefix string
	}{
		{"api.example.com", "api.example.com", "api"},
		{gateway.RequestHost, "$host", "127"},
	}
	for _, tt := range tests {
		srv := serve(t, gateway.Config{Routes: parse("$default"), Invoke: echo, Domain: tt.domain})
		c := doEvent(t, "GET", srv.URL, nil, nil).RequestContext
		want := strings.Replace(tt.name, "$host", strings.TrimPrefix(srv.URL, "http://"), 1)
		if c.DomainName != want || c.DomainPrefix != tt.prefix {
			t.Errorf("Domain %q: domainName %q, domainPrefix %q", tt.domain, c.DomainName, c.DomainPrefix)
		}
	}
}

func TestNamedStage(t *testing.T) {
	t.Parallel()
	srv := serve(t, gateway.Config{Stage: "dev", Routes: parse("GET /", "GET /a/{x}"), Invoke: echo})
	e := doEvent(t, "GET", srv.URL+"/dev/a/1", nil, nil)
	if e.RawPath != "/dev/a/1" || e.RequestContext.HTTP.Path != "/dev/a/1" || e.RequestContext.Stage != "dev" || e.PathParameters["x"] != "1" {
		t.Errorf("event %+v", e)
	}
	if e := doEvent(t, "GET", srv.URL+"/dev", nil, nil); e.RouteKey != "GET /" || e.RawPath != "/dev" {
		t.Errorf("event %+v", e)
	}
	for _, path := range []string{"/a/1", "/", "/development", "/dev/b"} {
		resp, body := do(t, "GET", srv.URL+path, nil, nil)
		wantError(t, resp, body, 404, `{"message":"Not Found"}`)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, payload string
		status                int
		body, length          string
	}{
		{"described", "GET", `{"statusCode":201,"headers":{"X-A":"b"},"body":"made"}`, 201, "made", "4"},
		{"plain", "GET", `{"a":1}`, 200, `{"a":1}`, "7"},
		{"HEAD", "HEAD", `{"statusCode":200,"body":"four"}`, 200, "", "4"},
		{"no content", "GET", `{"statusCode":204,"body":"ignored"}`, 204, "", ""},
		{"not modified", "GET", `{"statusCode":304,"headers":{"Etag":"x"},"body":"ignored"}`, 304, "", ""},
		{"empty", "GET", `{"statusCode":200}`, 200, "", "0"},
		{"own length and connection", "GET", `{"statusCode":200,"headers":{"content-length":"1","connection":"close"},"body":"four"}`, 200, "four", "4"},
		{"large", "GET", `{"statusCode":200,"body":"` + strings.Repeat("x", 1<<20) + `"}`, 200, strings.Repeat("x", 1<<20), "1048576"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, gateway.Config{Routes: parse("$default"), Invoke: returning(tt.payload)})
			resp, body := do(t, tt.method, srv.URL, nil, nil)
			if resp.StatusCode != tt.status || body != tt.body {
				t.Errorf("got %d %.80q", resp.StatusCode, body)
			}
			if got := resp.Header.Get("Content-Length"); got != tt.length {
				t.Errorf("content-length %q, want %q", got, tt.length)
			}
			if resp.Header.Get("Connection") != "keep-alive" || resp.Header.Get("Date") == "" {
				t.Errorf("headers %v", resp.Header)
			}
			wantRequestID(t, resp)
		})
	}
}

func TestFailuresOfFunctions(t *testing.T) {
	t.Parallel()
	const internal, unavailable = `{"message":"Internal Server Error"}`, `{"message":"Service Unavailable"}`
	tests := []struct {
		name   string
		invoke invokeFunc
		status int
		body   string
	}{
		{"function error", func(context.Context, string, []byte) (gateway.Result, error) {
			return gateway.Result{Payload: []byte(`{"statusCode":200}`), FunctionError: true}, nil
		}, 500, internal},
		{"invoke error", func(context.Context, string, []byte) (gateway.Result, error) {
			return gateway.Result{}, errors.New("secret detail")
		}, 500, internal},
		{"malformed answer", returning(`{"statusCode":0}`), 500, internal},
		{"throttled", func(context.Context, string, []byte) (gateway.Result, error) {
			return gateway.Result{}, fmt.Errorf("order: %w", gateway.ErrThrottled)
		}, 503, unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, gateway.Config{Routes: parse("$default"), Invoke: tt.invoke})
			resp, body := do(t, "GET", srv.URL, nil, nil)
			wantError(t, resp, body, tt.status, tt.body)
			resp, body = do(t, "HEAD", srv.URL, nil, nil)
			wantError(t, resp, body, tt.status, "")
		})
	}
}

func TestIntegrationTimeoutDoesNotStopTheFunction(t *testing.T) {
	t.Parallel()
	release, ended := make(chan struct{}), make(chan error, 1)
	srv := serve(t, gateway.Config{
		Routes: []gateway.Route{{Method: "GET", Path: "/slow", Function: "f", Timeout: gateway.MinTimeout}},
		Invoke: func(ctx context.Context, _ string, _ []byte) (gateway.Result, error) {
			<-release
			ended <- ctx.Err()
			return gateway.Result{}, nil
		},
	})
	resp, body := do(t, "GET", srv.URL+"/slow", nil, nil)
	wantError(t, resp, body, 503, `{"message":"Service Unavailable"}`)
	close(release)
	if err := <-ended; err != nil {
		t.Errorf("the function's context ended: %v", err)
	}
}

func TestClientGoneDoesNotStopTheFunction(t *testing.T) {
	t.Parallel()
	started, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	h, err := gateway.New(gateway.Config{
		Routes: parse("$default"),
		Invoke: func(ctx context.Context, _ string, _ []byte) (gateway.Result, error) {
			close(started)
			<-release
			ended <- ctx.Err()
			return gateway.Result{}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		close(served)
	}))
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() {
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		gone <- err
	}()
	<-started
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("client: %v", err)
	}
	<-served // the handler stopped waiting while the function still runs
	close(release)
	if err := <-ended; err != nil {
		t.Errorf("the function's context ended: %v", err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCloseWaitsThenCancels(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	var returned atomic.Bool
	h, err := gateway.New(gateway.Config{
		Routes: []gateway.Route{{Path: gateway.DefaultRoute, Function: "f", Timeout: gateway.MinTimeout}},
		Invoke: func(ctx context.Context, _ string, _ []byte) (gateway.Result, error) {
			close(started)
			<-ctx.Done()
			returned.Store(true)
			return gateway.Result{}, ctx.Err()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	resp, body := do(t, "GET", srv.URL, nil, nil)
	wantError(t, resp, body, 503, `{"message":"Service Unavailable"}`)
	<-started
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Close(impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
	if !returned.Load() {
		t.Error("Close returned before the function did")
	}
	resp, body = do(t, "GET", srv.URL, nil, nil)
	wantError(t, resp, body, 503, `{"message":"Service Unavailable"}`)
	if err := h.Close(t.Context()); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cfg  gateway.Config
		says string
	}{
		{"no Invoke", gateway.Config{}, "Invoke"},
		{"bad route", gateway.Config{Invoke: echo, Routes: parse("GET x")}, "GET x"},
		{"bad stage", gateway.Config{Invoke: echo, Stage: "a/b"}, "Stage"},
		{"credentials for everyone", gateway.Config{Invoke: echo, CORS: &gateway.CORS{AllowOrigins: []string{"*"}, AllowCredentials: true}}, "AllowCredentials"},
		{"age", gateway.Config{Invoke: echo, CORS: &gateway.CORS{MaxAge: new(86401)}}, "MaxAge 86401"},
	}
	for _, tt := range tests {
		if _, err := gateway.New(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: err = %v, want one that says %q", tt.name, err, tt.says)
		}
	}
}
