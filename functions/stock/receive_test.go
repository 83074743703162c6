package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/redistest"
	"photofinish/shared/stock"
)

func TestGoodsComeInOncePerReceipt(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		for i := range 10 {
			a := s.do(t, receipt("001", goods("in-1", 5)))
			if a.StatusCode != http.StatusCreated || a.Headers["Content-Type"] != "application/json" || a.Body != `{"receiptId":"in-1","id":"001","quantity":5,"onHand":5}`+"\n" {
				t.Errorf("try %d: %d %v %s", i+1, a.StatusCode, a.Headers, a.Body)
			}
			if replayed := a.Headers["Idempotent-Replayed"]; replayed != map[bool]string{true: "", false: "true"}[i == 0] {
				t.Errorf("try %d: Idempotent-Replayed %q", i+1, replayed)
			}
		}
		// The next is another, and a replay still tells what was on hand at its time.
		if a := s.do(t, receipt("001", goods("in-2", 2))); !strings.Contains(a.Body, `"onHand":7`) {
			t.Errorf("%d %s", a.StatusCode, a.Body)
		}
		if a := s.do(t, receipt("001", goods("in-1", 5))); !strings.Contains(a.Body, `"onHand":5`) || a.Headers["Idempotent-Replayed"] != "true" {
			t.Errorf("%d %s", a.StatusCode, a.Body)
		}
		s.wantLevels(t, map[string]string{"001": "7"})
		if diff := cmp.Diff(map[string]map[string]int64{"in-1": {"001": 5}, "in-2": {"001": 2}}, s.movements(t)); diff != "" {
			t.Errorf("ledger: (-want +got)\n%s", diff)
		}
	})
}

func TestReceiptsAtOnce(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		const receipts, times = 5, 8
		var mu sync.Mutex
		firsts := map[string]int{}
		var onHand []string
		var all sync.WaitGroup
		for i := range receipts * times {
			id := fmt.Sprint("in-", i%receipts)
			all.Go(func() {
				a, err := s.handle(t.Context(), receipt("001", goods(id, 3)).event(t))
				if err != nil || a.StatusCode != http.StatusCreated {
					t.Errorf("%d %s, %v", a.StatusCode, a.Body, err)
				}
				mu.Lock()
				defer mu.Unlock()
				if a.Headers["Idempotent-Replayed"] == "" {
					firsts[id]++
					onHand = append(onHand, a.Body[strings.LastIndex(a.Body, ":")+1:len(a.Body)-2])
				}
			})
		}
		all.Wait()
		for id, n := range firsts {
			if n != 1 {
				t.Errorf("%d answers say that %s was not received before", n, id)
			}
		}
		if slices.Sort(onHand); !slices.Equal(onHand, []string{"12", "15", "3", "6", "9"}) {
			t.Errorf("on hand after each: %v", onHand)
		}
		s.wantLevels(t, map[string]string{"001": "15"})
		if m := s.movements(t); len(m) != receipts {
			t.Errorf("the ledger has %v", m)
		}
	})
}

func TestTheIDOfAReceipt(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		const quantity = `{"quantity":1}`
		for name, tt := range map[string]struct {
			r    request
			want string
		}{
			"in the body":       {receipt("001", goods("b-1", 1)), "b-1"},
			"body before key":   {receipt("001", goods("b-2", 1)).with("idempotency-key", "k-2"), "b-2"},
			"key":               {receipt("001", quantity).with("idempotency-key", "k-3"), "k-3"},
			"key in quotes":     {receipt("001", quantity).with("idempotency-key", `"k-4"`), "k-4"},
			"empty, so the key": {receipt("001", goods("", 1)).with("idempotency-key", "k-5"), "k-5"},
		} {
			if a := s.do(t, tt.r); a.StatusCode != http.StatusCreated || !strings.HasPrefix(a.Body, `{"receiptId":"`+tt.want+`",`) {
				t.Errorf("%s: %d %s, want %s", name, a.StatusCode, a.Body, tt.want)
			}
		}
		refused(t, s.do(t, receipt("001", quantity)), http.StatusBadRequest, "receiptId", "makes a repeated request count once")
		s.wantLevels(t, map[string]string{"001": "5"})

		for _, other := range []request{receipt("001", goods("b-1", 2)), receipt("002", goods("b-1", 1)), receipt("001", `{"quantity":9}`).with("idempotency-key", "b-1")} {
			refused(t, s.do(t, other), http.StatusUnprocessableEntity, "receiptId", "b-1 was used before")
		}
		s.wantLevels(t, map[string]string{"001": "5"})

		// In another warehouse it is another receipt.
		east := receipt("001", goods("b-1", 4))
		east.query = "warehouse=east"
		if a := s.do(t, east); a.StatusCode != http.StatusCreated || !strings.Contains(a.Body, `"onHand":4`) {
			t.Errorf("in the east: %d %s", a.StatusCode, a.Body)
		}
		s.wantLevels(t, map[string]string{"001": "5"})
	})
}

func TestReceiptsThatAreRefused(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		east := receipt("001", goods("in", 1))
		east.query = "warehouse=west"
		large := goods("in", 1)
		large += strings.Repeat(" ", maxBody+1-len(large))
		for name, tt := range map[string]struct {
			r             request
			status        int
			field, detail string
		}{
			"no body":          {receipt("001", ""), 400, "", "the body must be"},
			"no JSON":          {receipt("001", "xx"), 400, "", "the body must be"},
			"an array":         {receipt("001", "[]"), 400, "", "the body must be"},
			"null":             {receipt("001", "null"), 400, "receiptId", "must be 1 to 128"},
			"unknown field":    {receipt("001", `{"receiptId":"in","quantity":1,"sku":"002"}`), 400, "", "the body must be"},
			"more behind":      {receipt("001", goods("in", 1)+goods("in2", 1)), 400, "", "the body must be"},
			"no quantity":      {receipt("001", `{"receiptId":"in"}`), 400, "quantity", "from 1 to 1000000000"},
			"zero":             {receipt("001", goods("in", 0)), 400, "quantity", "whole number"},
			"negative":         {receipt("001", goods("in", -1)), 400, "quantity", "whole number"},
			"one too many":     {receipt("001", goods("in", stock.MaxReceipt+1)), 400, "quantity", "whole number"},
			"huge":             {receipt("001", goods("in", "99999999999999999999")), 400, "", "whole number"},
			"a fraction":       {receipt("001", goods("in", 1.5)), 400, "", "whole number"},
			"an exponent":      {receipt("001", goods("in", "1e3")), 400, "", "whole number"},
			"a string":         {receipt("001", goods("in", `"1"`)), 400, "", "whole number"},
			"id a number":      {receipt("001", `{"receiptId":1,"quantity":1}`), 400, "", "the body must be"},
			"a hostile id":     {receipt("001", goods("}{main}:stock", 1)), 400, "receiptId", "must be 1 to 128"},
			"a long id":        {receipt("001", goods(strings.Repeat("x", 129), 1)), 400, "receiptId", "must be 1 to 128"},
			"a hostile key":    {receipt("001", goods("in", 1)).with("idempotency-key", "a b"), 400, "Idempotency-Key", "must be 1 to 128"},
			"two keys":         {receipt("001", goods("in", 1)).with("idempotency-key", "a,b"), 400, "Idempotency-Key", "must be 1 to 128"},
			"SKU with a space": {receipt("a b", goods("in", 1)), 400, "sku", "the SKU must be"},
			"SKU with a comma": {receipt("a,b", goods("in", 1)), 400, "sku", "the SKU must be"},
			"SKU too long":     {receipt(strings.Repeat("x", 65), goods("in", 1)), 400, "sku", "1 to 64"},
			"SKU with a slash": {receipt("a/b", goods("in", 1)), 404, "", ""},
			"SKU ..":           {receipt("..", goods("in", 1)), 404, "", ""},
			"no SKU":           {receipt("", goods("in", 1)), 404, "", ""},
			"unknown place":    {east, 400, "warehouse", "west"},
			"a form":           {receipt("001", "quantity=1").with("content-type", "application/x-www-form-urlencoded"), 415, "Content-Type", "application/json"},
			"too large":        {receipt("001", large), 413, "", "4096"},
			"another method":   {request{method: http.MethodPut, path: "/inventory/001/receipts", body: goods("in", 1)}, 404, "", "method"},
		} {
			t.Run(name, func(t *testing.T) {
				refused(t, s.do(t, tt.r), tt.status, tt.field, tt.detail)
			})
		}
		if keys := rdb.Keys(t.Context(), "*").Val(); len(keys) != 0 {
			t.Errorf("left in Redis: %v", keys)
		}
		// At the bounds.
		for _, r := range []request{receipt(strings.Repeat("x", 64), large[:maxBody]), receipt("001", goods("most", stock.MaxReceipt))} {
			if a := s.do(t, r); a.StatusCode != http.StatusCreated {
				t.Errorf("%d %s", a.StatusCode, a.Body)
			}
		}
	})
}

func TestAWarehouseThatIsFull(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		if err := rdb.HSet(t.Context(), stock.Key("main"), "001", int64(stock.MaxOnHand)-1).Err(); err != nil {
			t.Fatal(err)
		}
		refused(t, s.do(t, receipt("001", goods("in-1", 2))), http.StatusConflict, "quantity", "more than 1000000000000 would be on hand")
		if a := s.do(t, receipt("001", goods("in-1", 1))); a.StatusCode != http.StatusCreated || !strings.Contains(a.Body, `"onHand":1000000000000}`) {
			t.Errorf("%d %s", a.StatusCode, a.Body)
		}
		refused(t, s.do(t, receipt("001", goods("in-2", 1))), http.StatusConflict, "quantity", "more than")
		s.wantLevels(t, map[string]string{"001": "1000000000000"})
	})
}
