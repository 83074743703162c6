package console

import (
	"sync"
)

const (
	maxLines = 500
	maxLine  = 8 << 10 // bytes of one line; the rest is cut off
)

// shownLine is a log line as the page gets it.
type shownLine struct {
	Time        int64  `json:"time"` // Unix time in ms
	Source      string `json:"source"`
	Environment string `json:"environment,omitempty"`
	Stream      string `json:"stream,omitempty"`
	Text        string `json:"text"`
	Platform    bool   `json:"platform,omitempty"`
}

// lines keeps the last log lines. Each has a number, from 0 on, and those who
// read remember the number of the next: nobody holds up anybody.
type lines struct {
	mu   sync.Mutex
	ring [maxLines]shownLine
	next uint64
}

func (s *lines) add(l Line) {
	shown := shownLine{
		Time: l.Time.UnixMilli(), Source: cut(l.Source, maxName), Environment: cut(l.Environment, maxName),
		Stream: cut(l.Stream, maxWord), Text: cut(l.Text, maxLine), Platform: l.Platform,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ring[s.next%maxLines] = shown
	s.next++
}

// since copies the lines from a number on. It returns how many are not kept any
// more, and the number of the next.
func (s *lines) since(from uint64) (kept []shownLine, missed, next uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := max(from, s.next-min(s.next, maxLines))
	if s.next == first {
		return nil, first - from, s.next
	}
	kept = make([]shownLine, 0, s.next-first)
	for n := first; n < s.next; n++ {
		kept = append(kept, s.ring[n%maxLines])
	}
	return kept, first - from, s.next
}
