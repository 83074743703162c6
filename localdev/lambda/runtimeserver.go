package lambda

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// maxHeaderBytes leaves room for the X-Ray cause, of which aws-lambda-go
	// sends up to 1 MiB in one header.
	maxHeaderBytes = 2 << 20
	// maxDrained is how much of an unwanted body is still read, so that its
	// sender gets to see the answer instead of a broken connection.
	maxDrained = 64 << 20
	// maxKept is how much memory for answers a connection keeps.
	maxKept     = 64 << 10
	acceptPause = 10 * time.Millisecond
)

// runtimeServer is an HTTP/1.1 server for the Runtime API and nothing else.
//
// net/http's server would do, but it reads ahead on every connection whose
// handler waits, to notice when the client leaves: two more goroutine switches
// for each request, which is a fifth of a warm invocation. Here a waiting
// request is given up when its process ends, and a client that left otherwise
// is noticed by hungUp, when there is something to send. Requests are parsed by
// net/http.
type runtimeServer struct {
	listener net.Listener
	handle   func(*reply, *http.Request)
	done     chan struct{} // closed when the server closes
	running  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil once closed
}

// newRuntimeServer serves on a free port of 127.0.0.1 until it is closed.
func newRuntimeServer(handle func(*reply, *http.Request)) (*runtimeServer, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &runtimeServer{listener: listener, handle: handle, done: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	s.running.Go(s.accept)
	return s, nil
}

func (s *runtimeServer) addr() string { return s.listener.Addr().String() }

// close ends all connections, and returns when their goroutines have ended.
func (s *runtimeServer) close() error {
	close(s.done)
	err := s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.running.Wait()
	return err
}

func (s *runtimeServer) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			select {
			case <-s.done:
				return
			case <-time.After(acceptPause): // too many open files, as a rule
				continue
			}
		}
		s.mu.Lock()
		if s.conns == nil {
			_ = c.Close()
		} else {
			s.conns[c] = struct{}{}
			s.running.Go(func() { s.serve(c) })
		}
		s.mu.Unlock()
	}
}

// serve answers the requests of one connection. It may idle for hours.
func (s *runtimeServer) serve(c net.Conn) {
	defer func() {
		_ = c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	limited := &io.LimitedReader{R: c}
	in := bufio.NewReader(limited)
	w := &reply{conn: c, out: bufio.NewWriter(c), header: http.Header{}}
	for {
		limited.N = maxHeaderBytes
		r, err := http.ReadRequest(in)
		if err != nil {
			switch {
			case limited.N <= 0:
				w.refuse(http.StatusRequestHeaderFieldsTooLarge)
			case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !isNetError(err):
				w.refuse(http.StatusBadRequest)
			}
			return
		}
		limited.N = math.MaxInt64 // whoever reads the body limits it
		w.begin(r)
		if strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
			_, _ = c.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")) // an error will show in the answer
		}
		s.handle(w, r)
		if w.send() != nil || w.last {
			return
		}
		if _, err := io.CopyN(io.Discard, r.Body, maxDrained); !errors.Is(err, io.EOF) {
			return
		}
	}
}

func isNetError(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr)
}

// reply is the http.ResponseWriter of a runtimeServer. It holds the answer back
// until send.
type reply struct {
	conn   net.Conn
	out    *bufio.Writer
	header http.Header
	status int
	body   []byte
	noBody bool // HEAD
	last   bool // the connection ends after this
	sent   bool
}

func (w *reply) begin(r *http.Request) {
	clear(w.header)
	if cap(w.body) > maxKept {
		w.body = nil // one large event must not occupy its size for ever
	}
	w.status, w.body, w.sent = http.StatusOK, w.body[:0], false
	w.noBody = r.Method == http.MethodHead
	w.last = r.Close || !r.ProtoAtLeast(1, 1)
}

// Header implements http.ResponseWriter.
func (w *reply) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *reply) WriteHeader(status int) { w.status = status }

// Write implements http.ResponseWriter.
func (w *reply) Write(b []byte) (int, error) {
	w.body = append(w.body, b...)
	return len(b), nil
}

// send sends the answer, once.
func (w *reply) send() error {
	if w.sent {
		return nil
	}
	w.sent = true
	if w.last {
		w.header.Set("Connection", "close")
	}
	// bufio keeps the first error, and Flush returns it.
	_, _ = w.out.WriteString("HTTP/1.1 " + strconv.Itoa(w.status) + " " + http.StatusText(w.status) + "\r\n")
	for name, values := range w.header {
		for _, v := range values {
			_, _ = w.out.WriteString(name)
			_, _ = w.out.WriteString(": ")
			_, _ = w.out.WriteString(oneLine(v))
			_, _ = w.out.WriteString("\r\n")
		}
	}
	_, _ = w.out.WriteString("Content-Length: " + strconv.Itoa(len(w.body)) + "\r\n\r\n")
	if !w.noBody {
		_, _ = w.out.Write(w.body)
	}
	return w.out.Flush()
}

// oneLine keeps a value from ending its header.
func oneLine(v string) string {
	if strings.ContainsAny(v, "\r\n") {
		return strings.NewReplacer("\r", " ", "\n", " ").Replace(v)
	}
	return v
}

// refuse answers what is no request.
func (w *reply) refuse(status int) {
	w.begin(&http.Request{Close: true})
	w.status = status
	_ = w.send() // the connection ends anyway
}

// drop ends the connection without an answer.
func (w *reply) drop() { w.last, w.sent = true, true }

// hungUp reports whether the client has closed the connection.
func (w *reply) hungUp() bool {
	c, ok := w.conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	var n int
	var peekErr error
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, peekErr = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	if err != nil {
		return true
	}
	if peekErr != nil {
		return peekErr != syscall.EAGAIN && peekErr != syscall.EINTR
	}
	return n == 0
}
