package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"photofinish/localdev/gateway"
)

const order = `{"warehouse":"berlin","items":[{"id":"sku-1","quantity":2},{"id":"sku-2","quantity":1}]}`

func BenchmarkMatch(b *testing.B) {
	rt := router(b, "POST /orders", "GET /orders/{id}", "GET /inventory", "GET /inventory/{sku}", "POST /inventory/{sku}/receipts", "ANY /{proxy+}")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := rt.Match("POST", "/inventory/sku-1/receipts"); !ok {
			b.Fatal("no route")
		}
	}
}

func BenchmarkEvent(b *testing.B) {
	r := httptest.NewRequest(http.MethodPost, "/orders?wait=10s", nil)
	r.Header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {"bench"}, "Accept-Encoding": {"gzip"}, "Idempotency-Key": {"k"}}
	body, match := []byte(order), gateway.Match{Key: "POST /orders"}
	b.ReportAllocs()
	for b.Loop() {
		_ = gateway.Event(r, body, match, fixtureMeta)
	}
}

func BenchmarkInfer(b *testing.B) {
	payload := []byte(`{"statusCode":201,"headers":{"Content-Type":"application/json","Location":"/orders/1"},"multiValueHeaders":null,"body":"{\"orderId\":\"1\",\"status\":\"accepted\"}","cookies":[]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := gateway.Infer(payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRoundTrip is client, network, gateway and a function that costs nothing.
func BenchmarkRoundTrip(b *testing.B) {
	srv := serve(b, gateway.Config{Routes: parse("POST /orders"), Invoke: returning(`{"statusCode":201,"body":"{}"}`)})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := http.Post(srv.URL+"/orders", "application/json", strings.NewReader(order))
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	})
}
