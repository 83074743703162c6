package redis

import (
	"strings"
	"sync"
)

// keptLines is how much of a server's output an error may quote.
const keptLines = 8

// output keeps the last lines a server printed.
type output struct {
	mu    sync.Mutex
	lines []string
}

func (o *output) add(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if line = strings.TrimSpace(line); line == "" {
		return
	}
	if len(o.lines) == keptLines {
		copy(o.lines, o.lines[1:])
		o.lines = o.lines[:keptLines-1]
	}
	o.lines = append(o.lines, line)
}

func (o *output) contains(text string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Contains(strings.Join(o.lines, "\n"), text)
}

// tail is the kept output as the end of an error message.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.lines) == 0 {
		return ""
	}
	return "; its output ended:\n  " + strings.Join(o.lines, "\n  ")
}
