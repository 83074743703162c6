package console_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/redis/go-redis/v9"

	"photofinish/localdev/console"
	"photofinish/shared/order"
	"photofinish/shared/redistest"
)

func TestThePageShowsWhoWon(t *testing.T) {
	b := startBrowser(t)
	var s *shop
	received := map[string]int{}
	var mu sync.Mutex
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var in struct {
			OrderID string       `json:"orderId"`
			Items   []order.Item `json:"items"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("Content-Type") != "application/json" || r.URL.Path != "/orders" {
			t.Errorf("the API got %s: %v", r.URL.Path, err)
			return
		}
		if received[in.OrderID]++; received[in.OrderID] > 1 {
			w.Header().Set("Idempotent-Replayed", "true")
		} else {
			s.place(in.OrderID, in.Items...)
		}
		w.WriteHeader(http.StatusCreated)
	}))
	defer api.Close()
	scaled := make(chan int, 1)
	s = open(t, redistest.Embedded(t), func(c *console.Config) {
		c.API = api.URL
		c.Info = []console.Fact{{Name: "Redis", Value: "embedded"}}
		c.Services = func() []console.Service {
			return []console.Service{{Name: "BridgeFunction", Running: 1, Wanted: 1, PIDs: []int{4711}}}
		}
		c.Environments = func() []console.Environment {
			return []console.Environment{{Function: "InventoryFunction", ID: "env-a", PID: 4712, State: "idle", Invocations: 3}}
		}
		c.Scale = func(_ string, n int) error { scaled <- n; return nil }
	})
	s.receive("001", 10)
	s.receive("002", 10)

	b.do(chromedp.Navigate(s.url))
	b.sees("what to do first", `!document.getElementById("no-orders").hidden && document.getElementById("curl").textContent.startsWith("curl -X POST `+api.URL+`/orders ")`)
	b.sees("the stock", `document.querySelectorAll(".level").length === 2`)
	b.sees("the facts", text("#facts")+`.includes("embedded")`)
	b.sees("the processes", text("#environments")+`.includes("4712") && `+text("#services")+`.includes("4711")`)

	b.do(chromedp.Click(chromedp.ID("one")))
	b.sees("the order", `document.querySelectorAll("#rows .row").length === 1 && `+text("#rows .pill")+` === "waiting"`)
	id := s.deliver()[0].ID
	if !strings.HasPrefix(id, "demo-") {
		t.Errorf("the page made up the order id %q", id)
	}
	won := s.claim("a.1", id)
	log(s.console, "env-b", said{Order: id, Outcome: "busy", Contender: "b.1", Reason: "held by 1:a.1"})
	b.sees("that it races", text("#rows .pill")+` === "racing"`)
	log(s.console, "env-a", said{Msg: "won", Order: id, Outcome: "settled", Contender: "a.1", Status: string(s.settle("a.1", won).State), Fence: won.Fence})
	b.sees("the winner's lane", text(`#finish .lane[data-outcome=settled]`)+`.includes("No. 2") && `+text(`#finish .lane[data-outcome=settled]`)+`.includes("won")`)
	b.sees("the loser's lane", text(`#finish .lane[data-outcome=busy]`)+`.includes("No. 1")`)
	b.sees("the story", text("#finish .story")+` === "No. 2 won and took the items, once. 1 other stood back."`)
	b.sees("the winner in the list", text("#rows .pill")+` === "settled" && `+text("#rows .winner")+` === "No. 2"`)
	b.sees("the total", text("#settled")+` === "1"`)
	b.sees("the stock taken", text(".level .units")+` === "8"`)
	b.sees("the log line, readable", text("#log")+`.includes("won order=`+id+`")`)

	b.do(chromedp.Click(chromedp.ID("same")))
	b.sees("that ten requests were one order", text("#said")+`.includes("1 placed it, 9 got the same answer again")`)
	b.do(chromedp.Click(chromedp.ID("ten")))
	b.sees("ten more orders", `document.querySelectorAll("#rows .row").length === 12`)

	b.do(chromedp.Click(chromedp.CSS(`[aria-label="One process fewer of BridgeFunction"]`)))
	if n := <-scaled; n != 0 {
		t.Errorf("scaled to %d, want 0", n)
	}
	if got := b.complaints(); len(got) > 0 {
		t.Errorf("the page complains:\n%s", strings.Join(got, "\n"))
	}
}

func TestThePageShowsHostileTextAsText(t *testing.T) {
	b := startBrowser(t)
	const mark = `<img id=pwned src=x onerror="document.title='pwned'"><script id=pwned>document.title='pwned'</script>`
	s := open(t, redistest.Embedded(t), func(c *console.Config) {
		c.Info = []console.Fact{{Name: mark, Value: mark}}
		c.Services = func() []console.Service { return []console.Service{{Name: mark}} }
		c.Environments = func() []console.Environment {
			return []console.Environment{{Function: mark, ID: mark, State: mark}}
		}
	})
	pipe := s.rdb.Pipeline()
	pipe.HSet(t.Context(), "{main}:stock", mark, "7")
	pipe.HSet(t.Context(), "{main}:stock", "broken", mark)
	pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: s.engine.Keys().Dead(), Values: []string{"id", mark, "reason", mark}})
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	log(s.console, mark, said{Msg: mark, Order: "plain", Outcome: mark, Contender: mark, Status: mark, Reason: mark})
	log(s.console, mark, said{Msg: mark, Order: mark, Outcome: "settled", Contender: "__proto__", Status: mark, Reason: mark})
	log(s.console, mark, said{Msg: mark, Order: mark, Outcome: "constructor", Contender: mark, Reason: mark})
	s.console.Line(console.Line{Source: mark, Text: mark})
	s.console.Line(console.Line{Source: mark, Text: `{"msg":{"a":1},"level":["x"],"__proto__":{"x":"` + strings.ReplaceAll(mark, `"`, `'`) + `"}}`})
	s.console.Line(console.Line{Source: mark, Text: `{"msg":null` + "\u2028\x00\x1b[31m"})

	b.do(chromedp.Navigate(s.url))
	for _, part := range []string{"#facts", "#services", "#environments", "#stock", "#letters", "#log", "#rows", "#finish"} {
		b.sees("hostile text as text in "+part, text(part)+`.includes("<img id=pwned")`)
	}
	b.sees("no element made of it", `document.getElementById("pwned") === null && document.title === "Photofinish"`)
	b.sees("nothing wider than the page", `document.documentElement.scrollWidth <= innerWidth`)
	if got := b.complaints(); len(got) > 0 {
		t.Errorf("the page complains:\n%s", strings.Join(got, "\n"))
	}
}

func TestThePageComesBack(t *testing.T) {
	b := startBrowser(t)
	s := open(t, redistest.Embedded(t), nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	server := httptest.NewUnstartedServer(s.console.Handler())
	server.Listener = l
	server.Start()
	s.console.Line(console.Line{Text: "before"})
	b.do(chromedp.Navigate("http://" + addr))
	b.sees("the log line", text("#log")+`.includes("before")`)
	b.sees("no warning", `document.getElementById("lost").hidden`)

	// The emulator ends, and another one starts at its place.
	s.console.Close()
	server.Close()
	b.sees("that the connection is lost", `!document.getElementById("lost").hidden`)
	c, err := console.New(console.Config{Redis: s.rdb, Warehouses: []string{"main"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	c.Line(console.Line{Text: "after"})
	again := httptest.NewUnstartedServer(c.Handler())
	again.Listener = l
	again.Start()
	defer again.Close()
	defer c.Close() // before the server, which waits for its requests
	b.sees("that it is back", `document.getElementById("lost").hidden`)
	b.sees("the new lines only", text("#log")+`.includes("after") && !`+text("#log")+`.includes("before")`)
}

func TestThePageFiltersLogs(t *testing.T) {
	b := startBrowser(t)
	s := open(t, redistest.Embedded(t), nil)
	s.console.Line(console.Line{Source: "Order", Text: `{"level":"WARN","msg":"odd","n":1,"requestId":"r"}`})
	s.console.Line(console.Line{Source: "Stock", Text: "plain"})
	s.console.Line(console.Line{Source: "Order", Text: "START", Platform: true})
	b.do(chromedp.Navigate(s.url))
	visible := `[...document.querySelectorAll("#log .entry")].filter((e) => !e.hidden).map((e) => e.querySelector(".body").innerText).join("|")`
	b.sees("no platform lines", visible+` === "WARN odd n=1|plain"`)
	b.do(chromedp.Click(chromedp.ID("log-platform")))
	b.sees("platform lines", visible+` === "WARN odd n=1|plain|START"`)
	b.do(chromedp.SendKeys(chromedp.ID("log-text"), "PLAIN"))
	b.sees("what holds the text", visible+` === "plain"`)
	b.do(chromedp.SendKeys(chromedp.ID("log-text"), strings.Repeat("\b", len("PLAIN"))+"order"))
	b.do(chromedp.Click(chromedp.ID("log-pause")))
	s.console.Line(console.Line{Source: "Order", Text: "more"})
	b.sees("how many wait", text("#log-pause")+` === "Go on (1)"`)
	b.sees("nothing new", visible+` === "WARN odd n=1|START"`)
	b.do(chromedp.Click(chromedp.ID("log-pause")))
	b.sees("what has come", visible+` === "WARN odd n=1|START|more"`)
}
