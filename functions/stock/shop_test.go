package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/connect"
	"photofinish/shared/httpapi"
	"photofinish/shared/redistest"
	"photofinish/shared/stock"
	"photofinish/shared/telemetry"
)

// shop is the function with warehouses main and east, and its Redis.
type shop struct {
	rdb    *redis.Client
	api    *api
	handle func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)
	logged *logs
}

// logs is a writer for several goroutines.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newShop(t *testing.T, rdb *redis.Client) *shop {
	t.Helper()
	s := &shop{rdb: rdb, logged: &logs{}}
	s.api = &api{log: telemetry.New(s.logged, "stock", telemetry.Settings{}), rdb: rdb, fallback: "main", warehouses: map[string]*claim.Engine{}}
	for _, w := range []string{"main", "east"} {
		e, err := claim.Open(rdb, w, claim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.api.warehouses[w] = e
	}
	s.handle = httpapi.Lambda(s.api.routes(), s.api.log)
	return s
}

// linked is a shop that a link connects to its Redis, with the client that the
// function has.
func linked(t *testing.T, server *redis.Client) (*shop, *redistest.Link) {
	t.Helper()
	link := redistest.NewLink(t, server)
	rdb, err := connect.Open(connect.Settings{Addr: link.Addr, Auth: "none"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	return newShop(t, rdb.(*redis.Client)), link
}

// request is a call as API Gateway hands it on.
type request struct {
	method, path, query, body string
	headers                   map[string]string
}

func receipt(sku, body string) request {
	return request{method: http.MethodPost, path: "/inventory/" + sku + "/receipts", body: body, headers: map[string]string{"content-type": "application/json"}}
}

func (r request) with(header, value string) request {
	r.headers = map[string]string{"content-type": r.headers["content-type"], header: value}
	return r
}

func get(path, query string) request {
	return request{method: http.MethodGet, path: path, query: query}
}

// event is the JSON that an HTTP API sends with payload 2.0.
func (r request) event(t *testing.T) events.APIGatewayV2HTTPRequest {
	t.Helper()
	raw := map[string]any{
		"version": "2.0", "routeKey": r.method + " /inventory", "rawPath": r.path, "rawQueryString": r.query, "headers": r.headers, "isBase64Encoded": false,
		"requestContext": map[string]any{
			"accountId": "123456789012", "apiId": "abc", "domainName": "abc.execute-api.eu-central-1.amazonaws.com", "domainPrefix": "abc",
			"requestId": "JKJaXmPLvHcESHA=", "routeKey": r.method + " /inventory", "stage": "$default", "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1583348638390,
			"http": map[string]any{"method": r.method, "path": r.path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "curl/8"},
		},
	}
	if r.body != "" { // else it is absent
		raw["body"] = r.body
	}
	text, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

type answer = events.APIGatewayV2HTTPResponse

func (s *shop) do(t *testing.T, r request) answer {
	t.Helper()
	return s.doContext(t.Context(), t, r)
}

func (s *shop) doContext(ctx context.Context, t *testing.T, r request) answer {
	t.Helper()
	a, err := s.handle(ctx, r.event(t))
	if err != nil {
		t.Fatalf("%+v: the function failed: %v", r, err)
	}
	return a
}

// refused requires an answer in the form of RFC 9457 that tells no secrets.
func refused(t *testing.T, a answer, status int, field, detail string) {
	t.Helper()
	var p httpapi.Problem
	if err := json.Unmarshal([]byte(a.Body), &p); err != nil || a.Headers["Content-Type"] != "application/problem+json" {
		t.Fatalf("%d %v %s, want a problem", a.StatusCode, a.Headers, a.Body)
	}
	if a.StatusCode != status || p.Status != status || p.Field != field || !strings.Contains(p.Detail, detail) {
		t.Errorf("%d %+v, want %d, field %q, …%q…", a.StatusCode, p, status, field, detail)
	}
	if (a.Headers["Retry-After"] != "") != (status == http.StatusServiceUnavailable) {
		t.Errorf("%d with Retry-After %q", a.StatusCode, a.Headers["Retry-After"])
	}
	if len(a.Body) > 1000 {
		t.Errorf("the problem has %d bytes", len(a.Body))
	}
	for _, internal := range []string{"claim:", "stock:", "127.0.0.1", "redis", "dial", "script", "goroutine", "OOM", "WRONGTYPE", ".go:", "context"} {
		if strings.Contains(a.Body, internal) {
			t.Errorf("internal text (%s) in the answer: %s", internal, a.Body)
		}
	}
}

// goods is the body of a receipt.
func goods(id string, quantity any) string {
	return fmt.Sprintf(`{"receiptId":%q,"quantity":%v}`, id, quantity)
}

// wantLevels compares the stock of the warehouse main with that which is expected.
func (s *shop) wantLevels(t *testing.T, want map[string]string) {
	t.Helper()
	got, err := s.rdb.HGetAll(t.Context(), stock.Key("main")).Result()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("levels: (-want +got)\n%s", diff)
	}
}

// movements are how much came in by each receipt.
func (s *shop) movements(t *testing.T) map[string]map[string]int64 {
	t.Helper()
	entries, err := s.rdb.XRange(t.Context(), stock.Ledger("main"), "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]int64{}
	for _, e := range entries {
		m, err := stock.ParseMovement(e)
		if err != nil || all[m.Receipt] != nil {
			t.Fatalf("the ledger: %+v, %v, and before it %v", m, err, all)
		}
		all[m.Receipt] = m.Changes
	}
	return all
}
