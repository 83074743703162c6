package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/redistest"
	"photofinish/shared/stock"
)

func TestWhatIsOnHand(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		if a := s.do(t, get("/inventory", "")); a.StatusCode != http.StatusOK || a.Body != `{"warehouse":"main","items":[]}`+"\n" {
			t.Errorf("empty: %d %s", a.StatusCode, a.Body)
		}
		s.do(t, receipt("002", goods("in-1", 7)))
		s.do(t, receipt("001", goods("in-2", 5)))
		if err := rdb.HSet(t.Context(), stock.Key("east"), "a:b", 0).Err(); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct{ path, query, want string }{
			{"/inventory", "", `{"warehouse":"main","items":[{"id":"001","onHand":5},{"id":"002","onHand":7}]}`},
			{"/inventory", "warehouse=main&next=", `{"warehouse":"main","items":[{"id":"001","onHand":5},{"id":"002","onHand":7}]}`},
			{"/inventory", "warehouse=east", `{"warehouse":"east","items":[{"id":"a:b","onHand":0}]}`},
			{"/inventory/002", "", `{"id":"002","onHand":7}`},
			{"/inventory/a:b", "warehouse=east", `{"id":"a:b","onHand":0}`},
		} {
			if a := s.do(t, get(tt.path, tt.query)); a.StatusCode != http.StatusOK || a.Body != tt.want+"\n" || a.Headers["Content-Type"] != "application/json" {
				t.Errorf("%s?%s: %d %v %s, want %s", tt.path, tt.query, a.StatusCode, a.Headers, a.Body, tt.want)
			}
		}
		refused(t, s.do(t, get("/inventory/003", "")), http.StatusNotFound, "sku", `"003" was ever received in warehouse main`)
		refused(t, s.do(t, get("/inventory/001", "warehouse=east")), http.StatusNotFound, "sku", "east")
		for _, path := range []string{"/inventory", "/inventory/001"} {
			refused(t, s.do(t, get(path, "warehouse=west")), http.StatusBadRequest, "warehouse", "west")
			refused(t, s.do(t, get(path, "warehouse=")), http.StatusBadRequest, "warehouse", "not served")
			refused(t, s.do(t, get(path, "warehouse=main%7D:order:29"+strings.Repeat("x", 2000))), http.StatusBadRequest, "warehouse", "not served")
		}
		for _, next := range []string{"abc", "-1", "1.5", "99999999999999999999999", "%00"} {
			refused(t, s.do(t, get("/inventory", "next="+next)), http.StatusBadRequest, "next", "the page before")
		}
		for _, sku := range []string{"}{main}:stock", "a b", "*", "%", "\x00", "é", "<b>", strings.Repeat("x", 10_000)} {
			refused(t, s.do(t, get("/inventory/"+sku, "")), http.StatusNotFound, "sku", "was ever received")
		}
		for _, sku := range []string{"..", "a/b", "", "001/", "../healthz/stock"} {
			refused(t, s.do(t, get("/inventory/"+sku, "")), http.StatusNotFound, "", "")
		}
	})
}

func TestALargeStockPageByPage(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		want := map[string]int64{}
		fields := []any{}
		for i := range 3500 {
			want[fmt.Sprint("sku-", i)] = int64(i)
			fields = append(fields, fmt.Sprint("sku-", i), i)
		}
		if err := rdb.HSet(t.Context(), stock.Key("east"), fields...).Err(); err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		query := "warehouse=east"
		for pages := 1; ; pages++ {
			a := s.do(t, get("/inventory", query))
			var p page
			if err := json.Unmarshal([]byte(a.Body), &p); err != nil || a.StatusCode != http.StatusOK || p.Warehouse != "east" {
				t.Fatalf("%d %.200s, %v", a.StatusCode, a.Body, err)
			}
			for _, l := range p.Items {
				got[l.SKU] = l.OnHand
			}
			if p.Next == "" {
				break
			}
			if pages > 20 {
				t.Fatal("the pages have no end")
			}
			query = "warehouse=east&next=" + p.Next
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// What no repetition mends is not said to be away, nor shown to the client.
func TestALevelThatIsCorrupted(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		for _, level := range []string{"claim:", "1.5", "1e3"} {
			if err := rdb.HSet(t.Context(), stock.Key("main"), "001", level).Err(); err != nil {
				t.Fatal(err)
			}
			for _, r := range []request{get("/inventory", ""), get("/inventory/001", ""), receipt("001", goods("in-1", 1))} {
				a := s.do(t, r)
				refused(t, a, http.StatusInternalServerError, "", "could not be processed")
				if strings.Contains(a.Body, level) {
					t.Errorf("%q is in the answer: %s", level, a.Body)
				}
			}
			s.wantLevels(t, map[string]string{"001": level})
			if m := s.movements(t); len(m) != 0 {
				t.Errorf("the ledger has %v", m)
			}
		}
		if n := strings.Count(s.logged.String(), `"level":"ERROR"`); n != 9 || !strings.Contains(s.logged.String(), "not a whole number") {
			t.Errorf("%d errors logged: %s", n, s.logged)
		}
	})
}
