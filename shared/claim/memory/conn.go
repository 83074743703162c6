package memory

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2/server"
)

// conn is a connection without a way between its ends. Write runs the commands
// that it is given, one after the other, and Read takes what they answered. Only
// a command that waits for something runs in a goroutine of its own, and those
// after it with it.
type conn struct {
	redis *Redis
	peer  *server.Peer

	mu         sync.Mutex
	in         []byte     // what is not a whole command yet
	queue      [][]string // commands behind one that waits
	waiting    bool
	subscribed bool
	out        []byte // replies not read yet
	err        error  // why the connection has ended
	deadline   time.Time
	changed    chan struct{} // something above has changed that a reader wants to know
	running    sync.WaitGroup
}

func newConn(r *Redis) *conn {
	c := &conn{redis: r, changed: make(chan struct{}, 1)}
	c.peer = server.NewPeer(bufio.NewWriterSize(replies{c}, 512))
	return c
}

// replies is the way of a reply into the connection. Published messages come this
// way as well, at any time.
type replies struct{ *conn }

func (c replies) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.out = append(c.out, p...)
		c.notify()
	}
	return len(p), nil
}

// notify wakes a reader. Called with the lock held.
func (c *conn) notify() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Write runs the commands that are complete with p.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return 0, c.broken("write")
	}
	c.in = append(c.in, p...)
	var batch [][]string
	rest := c.in
	for {
		args, n, err := parse(rest)
		if err != nil {
			c.mu.Unlock()
			c.end(err)
			return 0, c.broken("write")
		}
		if n == 0 {
			break
		}
		batch = append(batch, args)
		rest = rest[n:]
	}
	c.in = append(c.in[:0], rest...)
	c.queue = append(c.queue, batch...)
	idle := !c.waiting
	c.mu.Unlock()
	if idle {
		c.serve(false)
	}
	if slices.ContainsFunc(batch, func(args []string) bool { return !greets(args[0]) }) && !c.unknownScript() && c.redis.loses() {
		c.end(errLost)
	}
	return len(p), nil
}

// unknownScript reports whether the reply to be read says that nothing has run,
// since Redis has to be given the text of a script first.
func (c *conn) unknownScript() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.HasPrefix(c.out, []byte("-NOSCRIPT"))
}

// serve runs what is in the queue. A command that waits moves it to a goroutine.
func (c *conn) serve(waits bool) {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 || c.err != nil {
			c.queue, c.waiting = nil, false
			c.mu.Unlock()
			return
		}
		args := c.queue[0]
		if !waits && mayWait(args) {
			c.waiting = true
			c.running.Go(func() { c.serve(true) })
			c.mu.Unlock()
			return
		}
		c.queue = c.queue[1:]
		c.subscribed = c.subscribed || subscribes(args[0])
		c.mu.Unlock()
		c.redis.tick()
		c.redis.mini.Server().Dispatch(c.peer, args)
		c.peer.Flush()
		if c.peer.Closed() { // QUIT
			c.mu.Lock()
			if c.err == nil {
				c.err = io.EOF
				c.notify()
			}
			c.mu.Unlock()
		}
	}
}

// Read takes replies, and waits for them until the deadline.
func (c *conn) Read(p []byte) (int, error) {
	for {
		c.mu.Lock()
		deadline := c.deadline
		switch {
		case len(c.out) > 0:
			n := copy(p, c.out)
			c.out = append(c.out[:0], c.out[n:]...)
			c.mu.Unlock()
			return n, nil
		case c.err != nil:
			defer c.mu.Unlock()
			return 0, c.broken("read")
		case !deadline.IsZero() && !time.Now().Before(deadline):
			c.mu.Unlock()
			return 0, &net.OpError{Op: "read", Net: "memory", Err: os.ErrDeadlineExceeded}
		}
		c.mu.Unlock()
		if deadline.IsZero() {
			<-c.changed
			continue
		}
		timer := time.NewTimer(time.Until(deadline))
		select {
		case <-c.changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// broken is the error of an operation on a connection that has ended.
func (c *conn) broken(op string) error {
	if errors.Is(c.err, io.EOF) && op == "read" {
		return io.EOF
	}
	return &net.OpError{Op: op, Net: "memory", Err: c.err}
}

// end breaks the connection: replies not read by then are lost.
func (c *conn) end(err error) {
	c.mu.Lock()
	if c.err == nil || errors.Is(c.err, io.EOF) {
		c.err, c.out = err, nil
	}
	c.notify()
	subscribed := c.subscribed
	c.subscribed = false
	waiting := c.waiting
	c.mu.Unlock()
	c.peer.Close()
	srv := c.redis.mini.Server()
	if waiting && srv != nil {
		// A command that waits looks whether its connection is still there whenever
		// another command has run.
		srv.Dispatch(server.NewPeer(bufio.NewWriter(io.Discard)), []string{"EXISTS", "x"})
	}
	c.running.Wait()
	if subscribed && srv != nil {
		for _, args := range [][]string{{"UNSUBSCRIBE"}, {"PUNSUBSCRIBE"}} {
			srv.Dispatch(c.peer, args)
		}
	}
	c.redis.forget(c)
}

// Close ends the connection.
func (c *conn) Close() error {
	c.end(net.ErrClosed)
	return nil
}

// SetReadDeadline bounds how long Read waits.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	c.notify()
	return nil
}

// SetDeadline is that of Read, since Write never waits.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline has nothing to bound.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr is a name without meaning.
func (c *conn) LocalAddr() net.Addr { return addr{} }

// RemoteAddr is a name without meaning.
func (c *conn) RemoteAddr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }

// mayWait reports whether a command can wait for others to do something.
func mayWait(args []string) bool {
	switch strings.ToUpper(args[0]) {
	case "BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BZPOPMIN", "BZPOPMAX":
		return true
	case "XREAD", "XREADGROUP":
		for _, a := range args {
			if strings.EqualFold(a, "block") {
				return true
			}
		}
	}
	return false
}

// greets reports whether a client sends the command by itself when it connects.
func greets(command string) bool {
	return strings.EqualFold(command, "hello") || strings.EqualFold(command, "auth") || strings.EqualFold(command, "client") || strings.EqualFold(command, "select")
}

func subscribes(command string) bool {
	return strings.EqualFold(command, "subscribe") || strings.EqualFold(command, "psubscribe")
}
