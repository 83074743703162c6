package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/order"
	"photofinish/shared/redistest"
)

// listener is an admission at work, for a bridge that hands nothing out.
type listener struct {
	*admission
	log        *logs
	stop, kill context.CancelFunc
	ended      chan error
}

// admit starts an admission whose lanes write with one client and which listens
// with another, and waits until it hears.
func admit(t *testing.T, listens, writes redis.UniversalClient, warehouses ...string) *listener {
	t.Helper()
	s := quick()
	s.Warehouses = warehouses
	l := &listener{log: &logs{}, ended: make(chan error, 1)}
	lanes, err := open(writes, s, nil, l.log.logger())
	if err != nil {
		t.Fatal(err)
	}
	l.admission = newAdmission(listens, s, lanes, l.log.logger())
	soft, stop := context.WithCancel(context.Background())
	hard, kill := context.WithCancel(context.Background())
	l.stop, l.kill = stop, kill
	go func() {
		l.ended <- l.run(soft, hard)
		close(l.ended) // who waits a second time finds nil
	}()
	t.Cleanup(func() {
		stop()
		kill()
		l.end(t)
		if t.Failed() {
			t.Logf("log of the bridge:\n%s", l.log.tail())
		}
	})
	until(t, "the bridge to hear", func() bool { return len(l.log.lines(t, "channel heard")) > 0 })
	return l
}

func (l *listener) end(t *testing.T) {
	t.Helper()
	select {
	case err := <-l.ended:
		if err != nil {
			t.Errorf("the admission ended with %v", err)
		}
	case <-time.After(patience):
		t.Errorf("the admission did not end within %v", patience)
	}
}

func publish(t *testing.T, rdb *redis.Client, messages ...string) {
	t.Helper()
	for _, m := range messages {
		if err := rdb.Publish(t.Context(), "order_updates", m).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// marked waits until every bridge has taken in all that was published before. A
// bridge reads a batch of messages and then places it: so when it reads a second
// mark, which was not there yet as it read the first, all before that is placed.
func marked(t *testing.T, rdb *redis.Client, ls ...*listener) {
	t.Helper()
	for range 2 {
		seen := make([]int64, len(ls))
		for i, l := range ls {
			seen[i] = l.dropped.Load()
		}
		publish(t, rdb, "a mark")
		for i, l := range ls {
			until(t, "the mark to be read", func() bool { return l.dropped.Load() > seen[i] })
		}
	}
}

// backlog are the ids of the orders in the stream.
func (s *shop) backlog(t *testing.T) []string {
	t.Helper()
	entries, err := s.rdb.XRange(t.Context(), s.engine.Keys().Stream(), "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.Values["id"].(string))
	}
	return ids
}

func TestAnOrderIsAdmittedOnceByHoweverManyBridges(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		bridges := []*listener{admit(t, rdb, rdb, "main"), admit(t, rdb, rdb, "main"), admit(t, rdb, rdb, "main")}
		for range 5 {
			for i := range 10 {
				// As the article's order service sends it.
				publish(t, rdb, fmt.Sprintf(`{"id":"17193000000%02d","items":[{"id":"001","quantity":2},{"id":"002","quantity":1}]}`, i))
			}
			publish(t, rdb, `{"id":"1719300099999","orderId":"29","items":[{"id":"001","quantity":2}]}`)
		}
		marked(t, rdb, bridges...)
		if got := shop.backlog(t); len(got) != 11 {
			t.Errorf("placed: %v, want 11 orders", got)
		}
		items, err := order.Items(shop.record(t, "1719300000003").Message)
		if err != nil || len(items) != 2 || items[0] != (order.Item{SKU: "001", Quantity: 2}) {
			t.Errorf("items on record: %v, %v", items, err)
		}
		if shop.state("29") != claim.Accepted || shop.state("1719300099999") != "" {
			t.Error("an order with an orderId is not known by that")
		}
		var admitted int64
		for _, b := range bridges {
			admitted += b.admitted.Load()
		}
		if admitted != 11 || len(shop.buried(t, 0)) != 0 {
			t.Errorf("%d admitted, want 11", admitted)
		}
	})
}

func TestIdsThatCollideAreTwoOrders(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		l := admit(t, rdb, rdb, "main")
		one := `{"id":"1719300000000","items":[{"id":"001","quantity":1}]}`
		two := `{"id":"1719300000000","items":[{"id":"001","quantity":2}]}`
		publish(t, rdb, one, two, one, two)
		marked(t, rdb, l)
		got := shop.backlog(t)
		if len(got) != 2 || got[0] != "1719300000000" || !strings.HasPrefix(got[1], "1719300000000~") {
			t.Fatalf("placed: %v, want the order and one beside it", got)
		}
		var quantities []int64
		for _, id := range got {
			items, err := order.Items(shop.record(t, id).Message)
			if err != nil {
				t.Fatal(err)
			}
			quantities = append(quantities, items[0].Quantity)
		}
		if quantities[0] != 1 || quantities[1] != 2 {
			t.Errorf("quantities %v, want 1 and 2", quantities)
		}
		shop.buried(t, 0)
	})
}

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

func TestOwnAnnouncementsAreOnlyReplayed(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		l := admit(t, rdb, rdb, "main")
		o := order.Order{ID: "29", Warehouse: "main", Items: []order.Item{{SKU: "b", Quantity: 2}, {SKU: "a", Quantity: 1}}}
		placed, err := shop.engine.Place(t.Context(), claim.Placement{
			ID: o.ID, Fingerprint: o.Fingerprint(), Message: o.Message(), Channel: "order_updates", Announcement: o.Announcement(),
		})
		if err != nil || placed.Verdict != claim.Placed {
			t.Fatal(placed, err)
		}
		marked(t, rdb, l)
		if got := shop.backlog(t); len(got) != 1 {
			t.Errorf("placed: %v, want the one order", got)
		}
		if l.admitted.Load() != 0 || l.buried.Load() != 0 {
			t.Errorf("%d admitted, %d buried", l.admitted.Load(), l.buried.Load())
		}
		shop.buried(t, 0)
	})
}

func TestIdsMayBeNumbers(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		shop := newShop(t, rdb, "main")
		l := admit(t, rdb, rdb, "main")
		publish(t, rdb,
			`{"id":1719300000000,"items":[{"id":"001","quantity":1}]}`,
			`{"id":"1719300000000","items":[{"id":"001","quantity":1}]}`, // the same
			`{"orderId":29,"id":1719300000000,"items":[{"id":"001","quantity":1}]}`,
		)
		marked(t, rdb, l)
		if got := shop.backlog(t); len(got) != 2 || got[0] != "1719300000000" || got[1] != "29" {
			t.Errorf("placed: %v", got)
		}
	})
}

func TestWhatIsHeardWhileRedisIsAwayIsPlacedLater(t *testing.T) {
	t.Parallel()
	server := redistest.Server(t)
	link := redistest.NewLink(t, server)
	writes := redis.NewClient(&redis.Options{Addr: link.Addr, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = writes.Close() })
	shop := newShop(t, server, "main")
	message := func(id string) string { return `{"orderId":"` + id + `","items":[{"id":"001","quantity":1}]}` }
	waiting := func(l *listener, n int) {
		t.Helper()
		until(t, "the bridge to notice", func() bool { return len(l.log.lines(t, "messages not placed yet")) >= n })
	}

	l := admit(t, server, writes, "main")
	link.Cut()
	for _, id := range ids("order", 20) {
		publish(t, server, message(id))
	}
	waiting(l, 4)
	link.Mend(t)
	until(t, "all to be placed", func() bool { return len(shop.backlog(t)) == 20 })

	// A stop does not give up what was heard.
	link.Cut()
	publish(t, server, message("late"))
	seen := len(l.log.lines(t, "messages not placed yet"))
	waiting(l, seen+1)
	l.stop()
	waiting(l, seen+3)
	link.Mend(t)
	l.end(t)
	if shop.state("late") != claim.Accepted {
		t.Error("what was heard before the stop was not placed")
	}

	// But there is an end to that, and it is said what was lost.
	l = admit(t, server, writes, "main")
	link.Cut()
	publish(t, server, message("lost"))
	waiting(l, 1)
	l.stop()
	waiting(l, 3)
	l.kill()
	l.end(t)
	lost := l.log.lines(t, "messages lost: redis stayed away until the end")
	if len(lost) != 1 || lost[0]["first"] != "lost" || lost[0]["messages"] != 1.0 {
		t.Errorf("logged: %v", lost)
	}
	link.Mend(t)
}

// A connection that was cut off on the way, without either end being told, just
// goes silent.
func TestAListenerThatIsCutOffListensAnew(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*redistest.Link){
		"silenced": (*redistest.Link).Silence,
		"cut":      func(l *redistest.Link) { l.Cut(); l.Mend(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Server(t)
			link := redistest.NewLink(t, server)
			listens := redis.NewClient(&redis.Options{Addr: link.Addr, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true})
			t.Cleanup(func() { _ = listens.Close() })
			shop := newShop(t, server, "main")
			l := admit(t, listens, server, "main")
			lose(link)
			until(t, "the bridge to hear again", func() bool { return len(l.log.lines(t, "channel heard")) > 1 })
			publish(t, server, `{"orderId":"29","items":[{"id":"001","quantity":1}]}`)
			until(t, "the order to be placed", func() bool { return shop.state("29") == claim.Accepted })
			if len(l.log.lines(t, "channel not heard")) == 0 {
				t.Error("nothing was logged")
			}
		})
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
