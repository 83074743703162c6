package lambda

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	maxQueued    = 16 << 20 // bytes of log lines that wait for a slow Output
	lineOverhead = 200      // bytes, about what a queued line takes beyond its text
	stallTime    = time.Second
	// gatherTime is how long lines gather before they are delivered together.
	// Waking another goroutine for each would cost an invocation more than all
	// the rest of its log.
	gatherTime = 5 * time.Millisecond
	maxSpare   = 4096 // lines
	tailSize   = 4096
)

// Line is one log line of a function or of the platform about it.
type Line struct {
	Time        time.Time
	Function    string
	Environment string // the execution environment's id
	RequestID   string // of the invocation the environment was busy with; empty outside one
	Stream      string // "stdout" or "stderr"; empty for platform lines
	Text        string // without the newline; at most 256 KiB, a longer line is split
	Platform    bool   // START, END, REPORT and the like
}

// logQueue takes lines from the functions to Output, so that neither waits for
// the other, within bounds.
type logQueue struct {
	output func(Line)

	mu        sync.Mutex
	lines     []Line
	spare     []Line
	size      int
	timer     *time.Timer
	scheduled bool          // the timer runs, or deliver does
	room      chan struct{} // closed when the lines are taken out; nil if nobody waits for that
	stalled   bool          // Output was waited for in vain; lines are dropped
	dropped   int
	closed    bool
	ended     chan struct{} // closed when all is delivered; nil if nobody waits for that
}

func newLogQueue(output func(Line)) *logQueue {
	q := &logQueue{output: output}
	q.timer = time.AfterFunc(time.Hour, q.deliver)
	q.timer.Stop()
	return q
}

// put queues a line.
func (q *logQueue) put(l Line) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.size >= maxQueued && !q.stalled {
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.mu.Unlock()
		timer := time.NewTimer(stallTime)
		var late bool
		select {
		case <-room:
		case <-timer.C:
			late = true
		}
		timer.Stop()
		q.mu.Lock()
		if late && q.room == room {
			q.stalled = true
		}
	}
	if q.closed {
		return
	}
	if q.stalled {
		q.dropped++
		return
	}
	q.lines = append(q.lines, l)
	q.size += len(l.Text) + lineOverhead
	if !q.scheduled {
		q.scheduled = true
		q.timer.Reset(gatherTime)
	}
}

// deliver takes what has gathered to Output, and comes again if there is more by then.
func (q *logQueue) deliver() {
	q.mu.Lock()
	lines, dropped := q.lines, q.dropped
	q.lines, q.spare, q.size, q.dropped, q.stalled = q.spare[:0], nil, 0, 0, false
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
	q.mu.Unlock()

	for i := range lines {
		q.output(lines[i])
		lines[i] = Line{}
	}
	if dropped > 0 {
		q.output(Line{Time: time.Now(), Platform: true, Text: fmt.Sprintf("%d log lines dropped: the log consumer is too slow", dropped)})
	}

	q.mu.Lock()
	defer q.mu.Unlock()
	if cap(lines) <= maxSpare {
		q.spare = lines
	}
	if len(q.lines) > 0 || q.dropped > 0 {
		q.timer.Reset(gatherTime)
		return
	}
	if q.scheduled = false; q.ended != nil {
		close(q.ended)
		q.ended = nil
	}
}

// close waits until everything queued before it has been delivered. What is
// put later is lost.
func (q *logQueue) close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	ended := make(chan struct{})
	if q.ended = ended; !q.scheduled {
		q.ended = nil
		close(ended)
	}
	q.mu.Unlock()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("lambda: deliver the last log lines: %w", ctx.Err())
	}
}

// tail keeps the end of an invocation's log.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) add(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(append(t.buf, text...), '\n')
	if len(t.buf) > 4*tailSize {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-tailSize:]...)
	}
}

func (t *tail) last() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]byte(nil), t.buf[max(0, len(t.buf)-tailSize):]...)
}
