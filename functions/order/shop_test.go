package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/httpapi"
	"photofinish/shared/order"
	"photofinish/shared/stock"
	"photofinish/shared/telemetry"
)

const article = `{"orderId":"29","items":[{"id":"001","quantity":2},{"id":"002","quantity":1}]}`

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
	s.api = &api{log: telemetry.New(s.logged, "order", telemetry.Settings{}), channel: "order_updates", fallback: "main", warehouses: map[string]*claim.Engine{}}
	for _, w := range []string{"main", "east"} {
		e, err := claim.Open(rdb, w, claim.Options{MaxDeliveries: 1})
		if err != nil {
			t.Fatal(err)
		}
		s.api.warehouses[w] = e
	}
	s.handle = httpapi.Lambda(s.api.routes(), s.api.log)
	return s
}

func (s *shop) engine() *claim.Engine { return s.api.warehouses["main"] }

// request is a call as API Gateway hands it on.
type request struct {
	method, path, query, body string
	headers                   map[string]string
}

func post(body string) request {
	return request{method: http.MethodPost, path: "/orders", body: body, headers: map[string]string{"content-type": "application/json"}}
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
		"version": "2.0", "routeKey": r.method + " /orders", "rawPath": r.path, "rawQueryString": r.query, "headers": r.headers, "isBase64Encoded": false,
		"requestContext": map[string]any{
			"accountId": "123456789012", "apiId": "abc", "domainName": "abc.execute-api.eu-central-1.amazonaws.com", "domainPrefix": "abc",
			"requestId": "JKJaXmPLvHcESHA=", "routeKey": r.method + " /orders", "stage": "$default", "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1583348638390,
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

// entries are the ids in the stream of a warehouse.
func (s *shop) entries(t *testing.T, warehouse string) (ids []string) {
	t.Helper()
	list, err := s.rdb.XRange(t.Context(), s.api.warehouses[warehouse].Keys().Stream(), "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		ids = append(ids, m.Values["id"].(string))
	}
	return ids
}

func (s *shop) wantEntries(t *testing.T, want ...string) {
	t.Helper()
	if got := s.entries(t, "main"); !slices.Equal(got, want) {
		t.Errorf("in the stream: %v, want %v", got, want)
	}
}

// place places an order of two of 001.
func (s *shop) place(t *testing.T, id string) {
	t.Helper()
	if a := s.do(t, post(fmt.Sprintf(`{"orderId":%q,"items":[{"id":"001","quantity":2}]}`, id))); a.StatusCode != http.StatusCreated {
		t.Fatalf("place %s: %d %s", id, a.StatusCode, a.Body)
	}
}

// win delivers and claims an order.
func (s *shop) win(t *testing.T, id, owner string) claim.Held {
	t.Helper()
	q := s.engine().Queue("one")
	if err := q.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	ds, err := q.Read(t.Context(), 100, -1)
	if err != nil || len(ds) == 0 {
		t.Fatalf("read: %v, %v", ds, err)
	}
	claims, err := s.engine().Claim(t.Context(), owner, time.Minute, []claim.Delivery{{ID: id, Count: 1}})
	if err != nil || claims[0].Outcome != claim.Won {
		t.Fatalf("claim %s: %+v, %v", id, claims, err)
	}
	return claim.Held{ID: id, Fence: claims[0].Fence}
}

// settle ends an order by taking its items from what is on hand.
func (s *shop) settle(t *testing.T, id, owner string, onHand int) {
	t.Helper()
	held := s.win(t, id, owner)
	if err := s.rdb.HSet(t.Context(), stock.Key("main"), "001", onHand).Err(); err != nil {
		t.Fatal(err)
	}
	ss := []claim.Settlement{stock.Settlement("main", held, []order.Item{{SKU: "001", Quantity: 2}})}
	if ends, err := s.engine().Settle(t.Context(), owner, stock.Take, ss); err != nil || ends[0].Outcome != claim.Done {
		t.Fatalf("settle %s: %+v, %v", id, ends, err)
	}
}
