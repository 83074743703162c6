package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	// tellEvery is how often a subscriber is told of what is new, at most.
	tellEvery = 200 * time.Millisecond
	beatEvery = 15 * time.Second // a comment, so that dead connections are found
)

// shownLines is the data of a log event.
type shownLines struct {
	Replace bool        `json:"replace"` // these are all the lines that there are
	Missed  uint64      `json:"missed"`  // lines before these that were not sent
	Lines   []shownLine `json:"lines"`
}

// events is a stream of server-sent events: the log lines that are kept and the
// state, and from then on what is new of either. A subscriber that does not read
// is dropped; others do not wait for it.
func (c *Console) events(w http.ResponseWriter, r *http.Request) {
	if !c.begin() {
		w.Header().Set("Retry-After", "2")
		fail(w, http.StatusServiceUnavailable, "too many pages are open, or the console is closing")
		return
	}
	defer c.end()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	s := subscription{console: c, w: w, rc: http.NewResponseController(w), told: time.Now()}
	// A write that waits when the console closes must not hold it up.
	defer context.AfterFunc(c.ctx, func() { _ = s.rc.SetWriteDeadline(time.Now()) })()
	if err := s.run(r.Context()); err != nil && r.Context().Err() == nil && c.ctx.Err() == nil {
		c.log.Info("console: a subscriber is dropped", "error", err)
	}
}

// subscription is one open page.
type subscription struct {
	console *Console
	w       http.ResponseWriter
	rc      *http.ResponseController
	sent    *snapshot // the last one
	next    uint64    // number of the next log line
	told    time.Time // when anything was written last
}

func (s *subscription) run(ctx context.Context) error {
	lines, _, next := s.console.lines.since(0)
	s.next = next
	if err := s.send("log", shownLines{Replace: true, Lines: lines}); err != nil {
		return err
	}
	s.console.refresh() // what is current may be from before anybody watched
	ticker := time.NewTicker(tellEvery)
	defer ticker.Stop()
	for {
		if err := s.tell(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.console.ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// tell sends what is new.
func (s *subscription) tell() error {
	if current := s.console.current.Load(); current != s.sent {
		s.sent = current
		if err := s.write("event: state\ndata: %s\n\n", current.data); err != nil {
			return err
		}
	}
	lines, missed, next := s.console.lines.since(s.next)
	s.next = next
	if len(lines) > 0 {
		return s.send("log", shownLines{Missed: missed, Lines: lines})
	}
	if time.Since(s.told) >= beatEvery {
		return s.write(": still here\n\n")
	}
	return nil
}

// send writes an event. JSON has no line breaks, so its data is one line.
func (s *subscription) send(event string, v shownLines) error {
	if v.Lines == nil {
		v.Lines = []shownLine{}
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", event, err)
	}
	return s.write("event: %s\ndata: %s\n\n", event, data)
}

func (s *subscription) write(format string, args ...any) error {
	if err := s.console.ctx.Err(); err != nil {
		return err
	}
	s.told = time.Now()
	// Not every ResponseWriter has deadlines; one without is not of a network.
	_ = s.rc.SetWriteDeadline(s.told.Add(s.console.stall))
	if _, err := fmt.Fprintf(s.w, format, args...); err != nil {
		return err
	}
	return s.rc.Flush()
}
