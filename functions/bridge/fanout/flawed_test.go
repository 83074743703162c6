package fanout

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

func TestFlawedOrdersBecomeDeadLetters(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		l := admit(t, rdb, rdb, "main", "north")
		flawed := []struct{ message, reason, kept string }{
			{`{"orderId":"29","items":[{"id":"001","quantity":9}]}`, "order id 29 was used before for other content", `{"001":9}`},
			{`{"orderId":"a","warehouse":"moon","items":[{"id":"001","quantity":1}]}`, "the warehouse moon is not served", ""},
			{`{"orderId":"b","warehouse":"m{o}n","items":[{"id":"001","quantity":1}]}`, `the warehouse "m{o}n"`, ""},
			{`{"orderId":"c","items":[{"id":"001","quantity":-1}]}`, "items[0].quantity", ""},
			{`{"orderId":"d","items":[]}`, "items: must not be empty", ""},
			{`{"orderId":"e"}`, "items: is required", ""},
			{`{"orderId":"{f}","items":[{"id":"001","quantity":1}]}`, `the id "{f}"`, ""},
			{`{"items":[{"id":"001","quantity":1}]}`, "neither orderId nor id", ""},
			{`{"orderId":"h","warehouse":"north","items":[{"id":"no way","quantity":1}]}`, "items[0].id", ""},
		}
		publish(t, rdb, `{"orderId":"29","items":[{"id":"001","quantity":1}]}`)
		for range 3 {
			for _, f := range flawed {
				publish(t, rdb, f.message)
			}
		}
		marked(t, rdb, l)
		if got := shop.backlog(t); len(got) != 1 || got[0] != "29" {
			t.Errorf("placed: %v, want 29 only", got)
		}
		north := newShop(t, rdb, "north")
		reasons := map[string]string{} // by what is kept
		for id, reason := range shop.buried(t, len(flawed)-1) {
			reasons[string(shop.record(t, id).Message)] = reason
		}
		for id, reason := range north.buried(t, 1) {
			reasons[string(north.record(t, id).Message)] = reason
		}
		for _, f := range flawed {
			kept := f.kept
			if kept == "" {
				kept = f.message
			}
			if !strings.Contains(reasons[kept], f.reason) {
				t.Errorf("the dead letter of %s says %q, want %q", f.message, reasons[kept], f.reason)
			}
		}
		if n := l.buried.Load(); n != int64(len(flawed)) {
			t.Errorf("%d counted as buried, want %d", n, len(flawed))
		}
	})
}

func TestWhatIsNoOrderIsDropped(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	shop := newShop(t, rdb, "main")
	l := admit(t, rdb, rdb, "main")
	junk := []string{
		"xx", "null", "[]", "", "17", `{"hello":"world"}`, `"` + strings.Repeat("x", 1<<20) + `"`,
		`{"orderId":"` + strings.Repeat("\U0001F600", 1<<17) + `"}`, "{\"orderId\":\"\xff\xfe\"}", "\x00\x1b[31m",
	}
	publish(t, rdb, junk...)
	publish(t, rdb, `{"orderId":"29","items":[{"id":"001","quantity":1}]}`)
	until(t, "an order after all that", func() bool { return shop.state("29") == claim.Accepted })
	if n := l.dropped.Load(); n != int64(len(junk)) {
		t.Errorf("%d dropped, want %d", n, len(junk))
	}
	lines := l.log.lines(t, "message dropped")
	if len(lines) != len(junk) {
		t.Fatalf("%d log lines, want %d", len(lines), len(junk))
	}
	for i, line := range lines {
		starts, _ := line["starts"].(string)
		if line["bytes"] != float64(len(junk[i])) || line["reason"] == "" || line["dropped"] != float64(i+1) {
			t.Errorf("log of message %d: %.500v", i, line)
		}
		if len(starts) > 4*firstBytes+2 || len(junk[i]) > 0 && len(starts) < 3 {
			t.Errorf("message %d is logged with %d bytes: %.100s", i, len(starts), starts)
		}
	}
	if starts := lines[0]["starts"]; starts != `"xx"` {
		t.Errorf("the first bytes of xx: %v", starts)
	}
	if keys := rdb.Keys(t.Context(), "{main}:order:*").Val(); len(keys) != 1 {
		t.Errorf("records: %v", keys)
	}
}

// One message that Redis refuses does not take others with it.
func TestAMessageThatCannotBePlacedIsAlone(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	shop := newShop(t, rdb, "main")
	if err := rdb.Set(t.Context(), shop.engine.Keys().Record("broken"), "no hash", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s := quick()
	log := &logs{}
	lanes, err := open(rdb, s, nil, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	a := newAdmission(rdb, s, lanes, log.logger())
	heard := make(chan string, 3)
	for _, id := range []string{"one", "broken", "two"} {
		heard <- `{"orderId":"` + id + `","items":[{"id":"001","quantity":1}]}`
	}
	close(heard)
	a.placeAll(t.Context(), heard)
	if got := shop.backlog(t); len(got) != 2 || got[0] != "one" || got[1] != "two" {
		t.Errorf("placed: %v", got)
	}
	if lines := log.lines(t, "message not placed"); len(lines) != 1 || lines[0]["order"] != "broken" {
		t.Errorf("logged: %v", lines)
	}
}
