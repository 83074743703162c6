package lambda

import "time"

// measureTime is how old a measurement of memory may be. Taking one is not
// cheap, and what took longer than this gets a new one anyway.
const measureTime = 2 * time.Millisecond

// finish completes an invocation: what the process wrote before is delivered,
// then END and REPORT.
func (e *environment) finish(inv *invocation, initTook time.Duration, o outcome) {
	if !e.heard(inv) {
		e.logging.Store(nil)
		return
	}
	e.logStart(inv)
	duration := time.Since(inv.start)
	if e.proc != nil {
		if inv.tail != nil || time.Now().UnixNano()-e.measured.Load() > int64(measureTime) {
			e.measure()
		}
		e.proc.Flush()
	}
	e.logging.Store(nil)
	e.platform(inv, endLine(inv.id))
	e.platform(inv, reportLine(inv.id, duration, initTook, e.function.config.MemoryMB, e.peak.Load(), o))
	if inv.finished != nil {
		close(inv.finished)
	}
}

// logStart writes START, unless the invocation has one.
func (e *environment) logStart(inv *invocation) {
	e.logging.Store(inv)
	if e.heard(inv) {
		inv.startLine.Do(func() { e.platform(inv, startLine(inv.id)) })
	}
}

// heard reports whether anyone reads the log.
func (e *environment) heard(inv *invocation) bool {
	return e.function.service.out != nil || inv != nil && inv.tail != nil
}

func (e *environment) output(stream string, text []byte) {
	inv := e.logging.Load()
	if e.heard(inv) {
		e.write(inv, Line{Stream: stream, Text: string(text)})
	}
}

func (e *environment) platform(inv *invocation, text string) {
	e.write(inv, Line{Platform: true, Text: text})
}

func (e *environment) write(inv *invocation, l Line) {
	if inv != nil {
		l.RequestID = inv.id
		if inv.tail != nil {
			inv.tail.add(l.Text)
		}
	}
	if out := e.function.service.out; out != nil {
		l.Time, l.Function, l.Environment = time.Now(), e.function.config.Name, e.box.id
		out.put(l)
	}
}

// measure takes the process's memory.
func (e *environment) measure() {
	select {
	case <-e.launched:
		if e.proc != nil {
			e.peak.Store(e.proc.PeakMemory())
			e.measured.Store(time.Now().UnixNano())
		}
	default:
	}
}
