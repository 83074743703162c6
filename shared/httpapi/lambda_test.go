package httpapi_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"photofinish/shared/httpapi"
)

// event is one as an HTTP API sends it: the path decoded, header names in lower case.
func event(method, path, query string, headers map[string]string, body string) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: path, RawQueryString: query, Headers: headers, Body: body,
	}
	e.RequestContext.DomainName = "abc.execute-api.eu-central-1.amazonaws.com"
	e.RequestContext.HTTP = events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: method, Path: path, Protocol: "HTTP/1.1", SourceIP: "192.0.2.1"}
	return e
}

func serve(t *testing.T, h http.Handler, e events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	t.Helper()
	r, err := httpapi.Lambda(h, slog.New(slog.DiscardHandler))(t.Context(), e)
	if err != nil {
		t.Fatalf("%s %s: the function failed: %v", e.RequestContext.HTTP.Method, e.RawPath, err)
	}
	return r
}

// problem requires that an answer is one, as RFC 9457 has it.
func problem(t *testing.T, r events.APIGatewayV2HTTPResponse, status int, field string) httpapi.Problem {
	t.Helper()
	if r.StatusCode != status || r.Headers["Content-Type"] != "application/problem+json" || r.Headers["Cache-Control"] != "no-store" {
		t.Fatalf("answer %d %v %s, want a problem with status %d", r.StatusCode, r.Headers, r.Body, status)
	}
	var p httpapi.Problem
	dec := json.NewDecoder(strings.NewReader(r.Body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatalf("%v: %s", err, r.Body)
	}
	if p.Type != "about:blank" || p.Status != status || p.Title != http.StatusText(status) || p.Detail == "" || p.Field != field {
		t.Fatalf("problem %+v, want status %d and field %q", p, status, field)
	}
	return p
}

// echo tells what a handler sees of a request.
func echo() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		httpapi.JSON(w, http.StatusOK, map[string]any{"id": r.PathValue("id"), "query": r.URL.Query()})
	})
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		httpapi.JSON(w, http.StatusCreated, map[string]string{"body": string(body)})
	})
	return httpapi.Routes(mux)
}

func TestPathsAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ sent, path, id string }{
		{"/orders/29", "/orders/29", "29"},
		{"/orders/a%3Fwait=9s", "/orders/a?wait=9s", "a?wait=9s"},
		{"/orders/a%25b", "/orders/a%b", "a%b"},
		{"/orders/a%2525", "/orders/a%25", "a%25"},
		{"/orders/%2525zz", "/orders/%25zz", "%25zz"},
		{"/orders/a%252Fb", "/orders/a%2Fb", "a%2Fb"},
		{"/orders/a%20b", "/orders/a b", "a b"},
		{"/orders/a+b", "/orders/a+b", "a+b"},
		{"/orders/a%23b", "/orders/a#b", "a#b"},
		{"/orders/a%3Bb", "/orders/a;b", "a;b"},
		{"/orders/%7B29%7D", "/orders/{29}", "{29}"},
		{"/orders/a%0Ab%00", "/orders/a\nb\x00", "a\nb\x00"},
		{"/orders/%E2%98%95", "/orders/☕", "☕"},
		{"/orders/https:%5C%5Cx", `/orders/https:\\x`, `https:\\x`},
	} {
		r := serve(t, echo(), event(http.MethodGet, tt.path, "", nil, ""))
		var got struct {
			ID    string
			Query map[string][]string
		}
		if err := json.Unmarshal([]byte(r.Body), &got); err != nil || r.StatusCode != http.StatusOK || got.ID != tt.id || len(got.Query) != 0 {
			t.Errorf("%s: %d %s, want the id %q and no query", tt.sent, r.StatusCode, r.Body, tt.id)
		}
	}
}

func TestPathsThatLeadNowhere(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/", "/orders/", "/orders/a/b", "/orders/a/", "/orders/..", "/orders/../orders/29", "/orders/./29", "//orders/29", "/orders//29",
		"orders/29", "//evil.example/..", "/ORDERS/29", "*", "/orders/29/../../healthz",
	} {
		e := event(http.MethodGet, path, "", nil, "")
		r := serve(t, echo(), e)
		// What the adapter makes of a path without a slash is the same as with one.
		if path == "orders/29" {
			if r.StatusCode != http.StatusOK {
				t.Errorf("%s: %d", path, r.StatusCode)
			}
			continue
		}
		problem(t, r, http.StatusNotFound, "")
		if r.Headers["Location"] != "" {
			t.Errorf("%q: sent on to %s", path, r.Headers["Location"])
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPost, http.MethodConnect, "BREW"} {
		problem(t, serve(t, echo(), event(method, "/orders/29", "", nil, "")), http.StatusNotFound, "")
	}
}

func TestThePathOfTheContextIsUsedWhereRawPathIsMissing(t *testing.T) {
	t.Parallel()
	e := event(http.MethodGet, "/orders/a?b", "", nil, "")
	e.RawPath = ""
	if r := serve(t, echo(), e); !strings.Contains(r.Body, `"id":"a?b"`) {
		t.Errorf("%d %s", r.StatusCode, r.Body)
	}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]map[string][]string{
		"":                        {},
		"wait=10s":                {"wait": {"10s"}},
		"wait=1s&wait=2s&x=%26+y": {"wait": {"1s", "2s"}, "x": {"& y"}},
		"flag":                    {"flag": {""}},
		"x=%zz&y=1":               {"y": {"1"}},
	} {
		r := serve(t, echo(), event(http.MethodGet, "/orders/29", query, nil, ""))
		var got struct{ Query map[string][]string }
		if err := json.Unmarshal([]byte(r.Body), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Query); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", query, diff)
		}
	}
}

func TestBodiesInBase64(t *testing.T) {
	t.Parallel()
	e := event(http.MethodPost, "/orders", "", nil, base64.StdEncoding.EncodeToString([]byte(`{"é":1}`)))
	e.IsBase64Encoded = true
	if r := serve(t, echo(), e); r.StatusCode != http.StatusCreated || !strings.Contains(r.Body, `{\"é\":1}`) {
		t.Errorf("%d %s", r.StatusCode, r.Body)
	}
	for _, garbled := range []string{"%%%", "a", "{}"} {
		e.Body = garbled
		problem(t, serve(t, echo(), e), http.StatusBadRequest, "")
	}
}

func TestAPanicEndsOneRequestOnly(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	calls := 0
	h := httpapi.Lambda(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls == 1 {
			panic("internal: 10.0.0.7:6379 is gone")
		}
		httpapi.JSON(w, http.StatusOK, "fine")
	}), slog.New(slog.NewJSONHandler(&out, nil)))
	first, err := h(t.Context(), event(http.MethodGet, "/", "", nil, ""))
	if err != nil {
		t.Fatal(err)
	}
	problem(t, first, http.StatusInternalServerError, "")
	if strings.Contains(first.Body, "10.0.0.7") {
		t.Errorf("internal text in the answer: %s", first.Body)
	}
	if !strings.Contains(out.String(), "10.0.0.7:6379 is gone") || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("logged: %q, want one line with the cause", out.String())
	}
	second, err := h(t.Context(), event(http.MethodGet, "/", "", nil, ""))
	if err != nil || second.StatusCode != http.StatusOK || second.Body != "\"fine\"\n" {
		t.Errorf("the next request: %d %s, %v", second.StatusCode, second.Body, err)
	}
}

func TestTimeIsKeptBackToAnswerIn(t *testing.T) {
	t.Parallel()
	var deadline time.Time
	var bounded bool
	h := httpapi.Lambda(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		deadline, bounded = r.Context().Deadline()
		httpapi.JSON(w, http.StatusOK, "fine")
	}), slog.New(slog.DiscardHandler))
	end := time.Now().Add(10 * time.Second)
	ctx, cancel := context.WithDeadline(t.Context(), end)
	defer cancel()
	if _, err := h(ctx, event(http.MethodGet, "/", "", nil, "")); err != nil {
		t.Fatal(err)
	}
	if left := end.Sub(deadline); !bounded || left < 200*time.Millisecond || left > time.Second {
		t.Errorf("the handler has a deadline: %v, %v before that of the invocation", bounded, left)
	}
	if _, err := h(context.Background(), event(http.MethodGet, "/", "", nil, "")); err != nil || bounded {
		t.Errorf("without a deadline: %v, %v", bounded, err)
	}
}
