//go:build unix

package process

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"syscall"
)

const (
	defaultMaxLine = 256 << 10
	readSize       = 8 << 10
	// maxPipe is the most a pipe can hold without privileges. A flush that has
	// read that much has read everything that was there when it began.
	maxPipe = 1 << 20
	// keepPartial is the largest buffer kept for unfinished lines.
	keepPartial = 64 << 10
)

// childFiles are the descriptors handed to the child, and those of them that
// this program opened for it.
type childFiles struct {
	child []*os.File
	own   []*os.File
}

func (f *childFiles) closeChild() {
	for _, file := range f.own {
		_ = file.Close()
	}
}

// open prepares the child's three standard descriptors and p's streams. On an
// error nothing stays open.
func (p *Process) open(spec Spec) (*childFiles, error) {
	files := &childFiles{}
	fail := func(err error) (*childFiles, error) {
		files.closeChild()
		p.closeStreams()
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fail(err)
	}
	files.own = append(files.own, null)
	files.child = append(files.child, null)
	if spec.Stdin != nil {
		files.child[0] = spec.Stdin
	}
	maxLine := spec.MaxLine
	if maxLine <= 0 {
		maxLine = defaultMaxLine
	}
	for _, emit := range []func([]byte){spec.Stdout, spec.Stderr} {
		if emit == nil {
			files.child = append(files.child, null)
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			return fail(fmt.Errorf("output pipe: %w", err))
		}
		files.own = append(files.own, w)
		files.child = append(files.child, w)
		raw, err := r.SyscallConn()
		if err != nil {
			_ = r.Close()
			return fail(fmt.Errorf("output pipe: %w", err))
		}
		p.streams = append(p.streams, &stream{file: r, raw: raw, emit: emit, maxLine: maxLine, buf: make([]byte, readSize)})
	}
	return files, nil
}

func (p *Process) closeStreams() {
	for _, s := range p.streams {
		s.mu.Lock()
		s.eof = true // a writer that never pauses would keep the pump reading
		s.mu.Unlock()
		_ = s.file.Close() // closing twice is harmless, and wakes the pump
	}
}

// stream cuts one output pipe into lines. Two may read it, each under mu: the
// pump, when output arrives, and a flush, so that no one has to wait for the
// pump to be scheduled.
type stream struct {
	file    *os.File
	raw     syscall.RawConn
	emit    func([]byte)
	maxLine int

	mu      sync.Mutex
	buf     []byte
	partial []byte // the beginning of a line
	eof     bool
}

// pump reads until the last writer has gone or the pipe is closed.
func (s *stream) pump() {
	_ = s.raw.Read(func(fd uintptr) bool {
		for {
			n, more := s.readOnce(fd)
			if !more {
				return true
			}
			if n == 0 {
				return false // empty: wait for output
			}
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLine()
}

func (s *stream) flush() {
	_ = s.raw.Control(func(fd uintptr) {
		for total := 0; total < maxPipe; {
			n, more := s.readOnce(fd)
			if !more || n == 0 {
				break
			}
			total += n
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLine()
}

// readOnce reads what is there, without waiting. No more comes after false.
func (s *stream) readOnce(fd uintptr) (n int, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.eof {
		n, err := syscall.Read(int(fd), s.buf)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return 0, true
		case err != nil || n == 0:
			s.eof = true
			return 0, false
		}
		s.feed(s.buf[:n])
		return n, true
	}
	return 0, false
}

func (s *stream) feed(b []byte) {
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		if len(s.partial) == 0 {
			s.cut(b[:i])
		} else {
			s.partial = append(s.partial, b[:i]...)
			s.cut(s.partial)
			s.forget()
		}
		b = b[i+1:]
	}
	s.partial = append(s.partial, b...)
	if len(s.partial) > s.maxLine {
		rest := s.partial
		for len(rest) > s.maxLine {
			s.emit(rest[:s.maxLine])
			rest = rest[s.maxLine:]
		}
		s.partial = append(s.partial[:0], rest...)
	}
}

// cut emits one line, in pieces if it is too long.
func (s *stream) cut(line []byte) {
	for len(line) > s.maxLine {
		s.emit(line[:s.maxLine])
		line = line[s.maxLine:]
	}
	s.emit(line)
}

// endLine emits the unfinished line, if there is one.
func (s *stream) endLine() {
	if len(s.partial) > 0 {
		s.cut(s.partial)
		s.forget()
	}
}

func (s *stream) forget() {
	if s.partial = s.partial[:0]; cap(s.partial) > keepPartial {
		s.partial = nil
	}
}
