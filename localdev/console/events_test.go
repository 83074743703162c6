package console_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"photofinish/localdev/console"
	"photofinish/shared/redistest"
)

// event is a server-sent event; a comment has no name.
type event struct{ name, data string }

// subscribe opens the stream of events, and ends it with the context.
func subscribe(ctx context.Context, t *testing.T, url string) <-chan event {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("the stream of events: %d %v", resp.StatusCode, resp.Header)
	}
	events := make(chan event, 1000)
	go func() {
		defer close(events)
		defer resp.Body.Close()
		readEvents(resp.Body, func(e event) {
			select {
			case events <- e:
			case <-ctx.Done():
			}
		})
	}()
	return events
}

func readEvents(r io.Reader, got func(event)) {
	lines := bufio.NewReaderSize(r, 64<<10)
	var e event
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if e.name != "" || value != "" {
				got(e)
			}
			e = event{}
		}
	}
}

// await reads events until one is as wanted.
func await(t *testing.T, events <-chan event, what string, wanted func(event) bool) event {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatalf("the stream ended before %s", what)
			}
			if wanted(e) {
				return e
			}
		case <-timeout:
			t.Fatalf("%s never came", what)
		}
	}
}

type shownLines struct {
	Replace bool
	Missed  int
	Lines   []struct {
		Time                              int64
		Source, Environment, Stream, Text string
		Platform                          bool
	}
}

func linesOf(t *testing.T, e event) shownLines {
	t.Helper()
	var v shownLines
	if err := json.Unmarshal([]byte(e.data), &v); err != nil {
		t.Fatalf("the data %.100q: %v", e.data, err)
	}
	return v
}

func TestEventsBringWhatIsKeptAndThenWhatIsNew(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Embedded(t), nil)
	for i := range 700 {
		s.console.Line(console.Line{Source: "Order", Text: fmt.Sprint("line ", i)})
	}
	events := subscribe(t.Context(), t, s.url)
	first := linesOf(t, await(t, events, "the first event", func(event) bool { return true }))
	if !first.Replace || len(first.Lines) != 500 || first.Lines[0].Text != "line 200" || first.Lines[499].Text != "line 699" {
		t.Errorf("the backlog has %d lines, replace is %v", len(first.Lines), first.Replace)
	}
	await(t, events, "the state", func(e event) bool { return e.name == "state" })

	at := time.UnixMilli(1_700_000_000_123)
	s.console.Line(console.Line{Time: at, Source: "Order", Environment: "e1", Stream: "stderr", Text: "one\nline of <b>two</b> \x00", Platform: true})
	got := linesOf(t, await(t, events, "the new line", func(e event) bool { return e.name == "log" }))
	if got.Replace || len(got.Lines) != 1 {
		t.Fatalf("the new lines are %+v", got)
	}
	if l := got.Lines[0]; l.Time != at.UnixMilli() || l.Source != "Order" || l.Environment != "e1" || l.Stream != "stderr" || !l.Platform || l.Text != "one\nline of <b>two</b> \x00" {
		t.Errorf("the new line is %+v", l)
	}

	s.place("new", article()...)
	await(t, events, "the new order", func(e event) bool { return e.name == "state" && strings.Contains(e.data, `"id":"new"`) })
	log(s.console, "env-a", said{Order: "new", Outcome: "busy", Contender: "a.1"})
	await(t, events, "the lane", func(e event) bool { return e.name == "state" && strings.Contains(e.data, `"contender":"a.1"`) })
}

func TestLongLinesAreCut(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Embedded(t), nil)
	s.console.Line(console.Line{Text: strings.Repeat("x", 100_000)})
	e := await(t, subscribe(t.Context(), t, s.url), "the line", func(e event) bool { return e.name == "log" })
	if text := linesOf(t, e).Lines[0].Text; len(text) > 9000 || !strings.HasSuffix(text, "x…") {
		t.Errorf("the line has %d bytes and ends with %q", len(text), text[len(text)-5:])
	}
}

// One who does not read is dropped, and holds up nobody: neither those who write
// lines nor others who read.
func TestSlowSubscriberIsDropped(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Embedded(t), nil)
	s.console.SetStall(time.Second)
	fast := subscribe(t.Context(), t, s.url)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10) // so that little fits in between
	if _, err := fmt.Fprint(conn, "GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	until(t, "both are subscribed", func() bool { return s.console.Watched() == 2 })
	big := strings.Repeat("y", 8000)
	until(t, "the slow one is dropped", func() bool {
		for range 3 {
			s.console.Line(console.Line{Text: big})
		}
		return s.console.Watched() == 1
	})
	s.console.Line(console.Line{Text: "after the flood"})
	await(t, fast, "the last line", func(e event) bool { return e.name == "log" && strings.Contains(e.data, "after the flood") })
}

func TestSubscribersAreBounded(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Embedded(t), nil)
	ctx, cancel := context.WithCancel(t.Context())
	for range 32 {
		subscribe(ctx, t, s.url)
	}
	until(t, "all are subscribed", func() bool { return s.console.Watched() == 32 })
	if resp, _ := ask(t, http.MethodGet, s.url+"/api/events", ""); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("one more: %d, want 503 with Retry-After", resp.StatusCode)
	}
	cancel()
	until(t, "all are gone", func() bool { return s.console.Watched() == 0 })
	await(t, subscribe(t.Context(), t, s.url), "the state", func(e event) bool { return e.name == "state" })
}

// Not parallel: it looks for goroutines of any console.
func TestCloseLeavesNothingBehind(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer api.Close()
	c, err := console.New(console.Config{Redis: redistest.Embedded(t), Warehouses: []string{"main"}, API: api.URL})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c.Handler())
	defer server.Close()
	events := subscribe(t.Context(), t, server.URL)
	await(t, events, "the state", func(e event) bool { return e.name == "state" })
	ask(t, http.MethodPost, server.URL+"/try/orders", "{}")
	c.Close()
	for range events { // until it ends
	}
	if resp, _ := ask(t, http.MethodGet, server.URL+"/api/events", ""); resp.StatusCode != 503 {
		t.Errorf("a subscriber after Close: %d, want 503", resp.StatusCode)
	}
	c.Close() // again does no harm
	c.Line(console.Line{Text: "after Close"})
	server.CloseClientConnections()
	var left string
	until(t, "the console's goroutines are gone", func() bool {
		var b strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&b, 2)
		left = b.String()
		return !strings.Contains(left, "localdev/console.(*") && !strings.Contains(left, "localdev/console.new")
	})
}

// until polls a condition that nothing tells of.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !met() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("it never came to be that %s", what)
		}
	}
}
