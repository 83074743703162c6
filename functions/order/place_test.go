package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/order"
	"photofinish/shared/redistest"
)

func body(id string) string {
	return fmt.Sprintf(`{"orderId":%q,"status":"accepted","message":"Order placed successfully"}`+"\n", id)
}

func TestAnOrderIsPlacedOnceHoweverOftenItIsSent(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		sub := rdb.Subscribe(t.Context(), "order_updates")
		defer sub.Close()
		if _, err := sub.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		reordered := `{"items":[{"quantity":1,"id":"002"},{"quantity":2,"id":"001"}],"id":"9","warehouse":"main"}`
		for i := range 10 {
			r := post(article)
			if i%3 == 2 { // the same in other words
				r = post(reordered).with("idempotency-key", "29")
			}
			a := s.do(t, r)
			if a.StatusCode != http.StatusCreated || a.Body != body("29") || a.Headers["Location"] != "/orders/29" || a.Headers["Content-Type"] != "application/json" {
				t.Errorf("try %d: %d %v %s", i+1, a.StatusCode, a.Headers, a.Body)
			}
			if replayed := a.Headers["Idempotent-Replayed"]; replayed != map[bool]string{true: "", false: "true"}[i == 0] {
				t.Errorf("try %d: Idempotent-Replayed %q", i+1, replayed)
			}
		}
		s.wantEntries(t, "29")
		r, found, err := s.engine().Lookup(t.Context(), "29")
		if err != nil || !found || r.State != claim.Accepted || string(r.Message) != `{"001":2,"002":1}` {
			t.Errorf("on record: %+v, %v, %v", r, found, err)
		}
		// What comes after the marker would have been announced after it.
		if err := rdb.Publish(t.Context(), "order_updates", "marker").Err(); err != nil {
			t.Fatal(err)
		}
		var heard []string
		for !slices.Contains(heard, "marker") {
			m, err := sub.ReceiveMessage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			heard = append(heard, m.Payload)
		}
		want := []string{`{"orderId":"29","warehouse":"main","items":[{"id":"001","quantity":2},{"id":"002","quantity":1}]}`, "marker"}
		if !slices.Equal(heard, want) {
			t.Errorf("announced %q, want %q", heard, want)
		}
		if n := strings.Count(s.logged.String(), `"msg":"order placed"`); n != 1 {
			t.Errorf("%d lines say that it was placed", n)
		}
	})
}

func TestAnOrderThatIsSentAtOnceIsPlacedOnce(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		answers := make([]answer, 16)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				a, err := s.handle(t.Context(), post(article).event(t))
				if err != nil {
					t.Error(err)
				}
				answers[i] = a
			})
		}
		all.Wait()
		first := 0
		for _, a := range answers {
			if a.StatusCode != http.StatusCreated || a.Body != body("29") {
				t.Errorf("%d %s", a.StatusCode, a.Body)
			}
			if a.Headers["Idempotent-Replayed"] == "" {
				first++
			}
		}
		if first != 1 {
			t.Errorf("%d answers say that they were the first", first)
		}
		s.wantEntries(t, "29")
	})
}

func TestARetryAfterTheEndIsAnsweredTheSame(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		s.place(t, "29")
		s.settle(t, "29", "A", 10)
		a := s.do(t, post(`{"orderId":"29","items":[{"id":"001","quantity":2}]}`))
		if a.StatusCode != http.StatusCreated || a.Body != body("29") || a.Headers["Idempotent-Replayed"] != "true" {
			t.Errorf("%d %v %s", a.StatusCode, a.Headers, a.Body)
		}
		s.wantEntries(t)
	})
}

func TestAnIDWithOtherContentIsAConflict(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		s.do(t, post(article))
		before, _, err := s.engine().Lookup(t.Context(), "29")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []request{
			post(`{"orderId":"29","items":[{"id":"001","quantity":3},{"id":"002","quantity":1}]}`),
			post(`{"orderId":"29","items":[{"id":"001","quantity":2}]}`),
			post(`{"items":[{"id":"003","quantity":2}]}`).with("idempotency-key", "29"),
		} {
			a := s.do(t, r)
			refused(t, a, http.StatusUnprocessableEntity, "orderId", "29 was used before")
			if a.Headers["Location"] != "" {
				t.Errorf("it points at %s", a.Headers["Location"])
			}
		}
		s.wantEntries(t, "29")
		if after, _, err := s.engine().Lookup(t.Context(), "29"); err != nil || after.Fingerprint != before.Fingerprint {
			t.Errorf("the record has changed: %+v, %v", after, err)
		}
	})
}

func TestTheIDOfAnOrder(t *testing.T) {
	t.Parallel()
	const items = `"items":[{"id":"001","quantity":2}]`
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		for name, tt := range map[string]struct {
			r    request
			want string
		}{
			"orderId":                     {post(`{"orderId":"o-1",` + items + `}`), "o-1"},
			"orderId before the key":      {post(`{"orderId":"o-2",`+items+`}`).with("Idempotency-Key", "k-2"), "o-2"},
			"orderId before its own id":   {post(`{"id":"1719300000000","orderId":"o-3",` + items + `}`), "o-3"},
			"the key":                     {post(`{`+items+`}`).with("idempotency-key", "k-4"), "k-4"},
			"the key in quotes":           {post(`{`+items+`}`).with("idempotency-key", `"k-5"`), "k-5"},
			"the key before its own id":   {post(`{"id":"1719300000000",`+items+`}`).with("idempotency-key", "k-6"), "k-6"},
			"orderId null, so the key":    {post(`{"orderId":null,`+items+`}`).with("idempotency-key", "k-7"), "k-7"},
			"the longest, with all signs": {post(`{"orderId":"a.b_c:d-` + strings.Repeat("9", order.MaxID-8) + `",` + items + `}`), "a.b_c:d-" + strings.Repeat("9", order.MaxID-8)},
		} {
			a := s.do(t, tt.r)
			if a.StatusCode != http.StatusCreated || a.Body != body(tt.want) || a.Headers["Location"] != "/orders/"+tt.want {
				t.Errorf("%s: %d %v %s, want the id %s", name, a.StatusCode, a.Headers, a.Body, tt.want)
			}
			if shown := s.do(t, get(a.Headers["Location"], "")); shown.StatusCode != http.StatusOK {
				t.Errorf("%s: its Location answers %d", name, shown.StatusCode)
			}
		}
		// Without any of them the same body is two orders, even with an id of its own.
		made := map[string]bool{}
		for range 2 {
			a := s.do(t, post(`{"id":"1719300000000",`+items+`}`))
			id := strings.TrimPrefix(a.Headers["Location"], "/orders/")
			if u, err := uuid.Parse(id); err != nil || u.Version() != 7 || a.Body != body(id) {
				t.Errorf("%d %q %s, %v, want a UUID of version 7", a.StatusCode, id, a.Body, err)
			}
			made[id] = true
		}
		if len(made) != 2 || len(s.entries(t, "main")) != 10 {
			t.Errorf("ids %v, in the stream %v", made, s.entries(t, "main"))
		}
	})
}

func TestWarehousesAreApart(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		east := `{"orderId":"29","warehouse":"east","items":[{"id":"001","quantity":9}]}`
		s.do(t, post(article))
		a := s.do(t, post(east))
		if a.StatusCode != http.StatusCreated || a.Headers["Location"] != "/orders/29?warehouse=east" || a.Headers["Idempotent-Replayed"] != "" {
			t.Errorf("%d %v %s", a.StatusCode, a.Headers, a.Body)
		}
		path, query, _ := strings.Cut(a.Headers["Location"], "?")
		if shown := s.do(t, get(path, query)); !strings.Contains(shown.Body, `"warehouse":"east"`) || !strings.Contains(shown.Body, `"quantity":9`) {
			t.Errorf("there: %s", shown.Body)
		}
		s.wantEntries(t, "29")
		if got := s.entries(t, "east"); !slices.Equal(got, []string{"29"}) {
			t.Errorf("in the east: %v", got)
		}
		refused(t, s.do(t, post(`{"warehouse":"west","items":[{"id":"001","quantity":9}]}`)), http.StatusBadRequest, "warehouse", "east, main")
		refused(t, s.do(t, get("/orders/29", "warehouse=west")), http.StatusBadRequest, "warehouse", "west")
		refused(t, s.do(t, get("/orders/29", "warehouse=")), http.StatusBadRequest, "warehouse", "not served")
		refused(t, s.do(t, get("/orders/29", "warehouse=%7D:"+strings.Repeat("x", 2000))), http.StatusBadRequest, "warehouse", "not served")
	})
}

func TestBadInputIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		for name, tt := range map[string]struct {
			r             request
			status        int
			field, detail string
		}{
			"no body":          {post(""), 400, "", "empty"},
			"no JSON":          {post("xx"), 400, "", "not valid JSON"},
			"an array":         {post("[]"), 400, "", "JSON object"},
			"empty":            {post("{}"), 400, "items", "required"},
			"negative":         {post(`{"items":[{"id":"001","quantity":-2}]}`), 400, "items[0].quantity", "items[0].quantity: must be a whole number"},
			"misspelt":         {post(`{"item":[]}`), 400, "item", "not a field"},
			"a very long name": {post(`{"` + strings.Repeat("x", 60_000) + `":1}`), 400, strings.Repeat("x", 64), "not a field"},
			"a hostile id":     {post(`{"orderId":"}{main}:order:1","items":[{"id":"001","quantity":2}]}`), 400, "orderId", "letters"},
			"a hostile key":    {post(article).with("idempotency-key", "a}b"), 400, "Idempotency-Key", "one key"},
			"two keys":         {post(article).with("idempotency-key", "a,b"), 400, "Idempotency-Key", "one key"},
			"an empty key":     {post(article).with("idempotency-key", ""), 400, "Idempotency-Key", "one key"},
			"a long key":       {post(article).with("idempotency-key", strings.Repeat("x", 129)), 400, "Idempotency-Key", "one key"},
			"too large":        {post(article + strings.Repeat(" ", order.MaxBody+1-len(article))), 413, "", "65536"},
			"a form":           {post(article).with("content-type", "application/x-www-form-urlencoded"), 415, "Content-Type", "application/json"},
			"no content type":  {request{method: http.MethodPost, path: "/orders", body: article}, 415, "Content-Type", "application/json"},
			"another method":   {request{method: http.MethodPut, path: "/orders", body: article}, 404, "", "method"},
		} {
			t.Run(name, func(t *testing.T) {
				refused(t, s.do(t, tt.r), tt.status, tt.field, tt.detail)
			})
		}
		if keys := rdb.Keys(t.Context(), "*").Val(); len(keys) != 0 {
			t.Errorf("left in Redis: %v", keys)
		}
		largest := article + strings.Repeat(" ", order.MaxBody-len(article))
		if a := s.do(t, post(largest)); a.StatusCode != http.StatusCreated {
			t.Errorf("the largest: %d %s", a.StatusCode, a.Body)
		}
	})
}

// The trace of the request goes with the order to whoever wins it.
func TestTheTraceGoesWithTheOrder(t *testing.T) {
	t.Parallel()
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		s.do(t, post(article).with("traceparent", trace))
		r, _, err := s.engine().Lookup(t.Context(), "29")
		if err != nil || r.Trace != trace {
			t.Errorf("on record: %+v, %v", r, err)
		}
	})
}
