package simulate

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim/memory"
)

var (
	errReset = errors.New("simulate: the connection was reset")
	errOver  = errors.New("simulate: the simulation is over")
)

// link is a connection from a process to Redis. What is written becomes a step of
// the simulation, and what is read is what a later step has brought.
type link struct {
	world *world
	actor *actor
	sub   net.Conn // its other end, once it subscribes

	mu       sync.Mutex
	in       []byte
	err      error
	deadline time.Time
	changed  chan struct{}
}

// client makes the Redis client of a process, with the settings that the
// functions use.
func (w *world) client(a *actor) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: "127.0.0.1:6379", Protocol: 2, DisableIdentity: true,
		MinRetryBackoff: -1, MaxRetryBackoff: -1, DialerRetries: 1,
		ReadTimeout: w.plan.ReadTimeout, WriteTimeout: w.plan.ReadTimeout, ContextTimeoutEnabled: true,
		PoolSize: 16, ReadBufferSize: 2 << 10, WriteBufferSize: 16 << 10, // many clients; a request is written at once
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			return &link{world: w, actor: a, changed: make(chan struct{}, 1)}, nil
		},
	})
}

// gone keeps a goroutine of a process that has crashed until all is over.
func (w *world) gone(a *actor) error {
	if a.dead.Load() {
		<-w.over
	}
	select {
	case <-w.over:
		return errOver
	default:
		return nil
	}
}

const hello = "*4\r\n$5\r\nproto\r\n:2\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n"

// Write hands a request over and returns at once, as a socket does.
func (l *link) Write(p []byte) (int, error) {
	if err := l.world.gone(l.actor); err != nil {
		return 0, err
	}
	l.mu.Lock()
	err := l.err
	l.mu.Unlock()
	if err != nil {
		return 0, err
	}
	cmds := commands(p)
	if cmds[0][0] == "hello" {
		l.deliver([]byte(hello))
		return len(p), nil
	}
	l.world.post(&op{actor: l.actor, kind: request, key: string(p), link: l, cmds: cmds})
	return len(p), nil
}

// deliver brings a reply. It reports false if nobody listens any more.
func (l *link) deliver(b []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return false
	}
	l.in = append(l.in, b...)
	l.notify()
	return true
}

// end breaks the connection for its user.
func (l *link) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
	l.notify()
}

func (l *link) closed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err != nil
}

// notify wakes a reader. Called with the lock held.
func (l *link) notify() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *link) Read(p []byte) (int, error) {
	for {
		l.mu.Lock()
		deadline := l.deadline
		switch {
		case len(l.in) > 0:
			n := copy(p, l.in)
			l.in = append(l.in[:0], l.in[n:]...)
			l.mu.Unlock()
			return n, nil
		case l.err != nil:
			defer l.mu.Unlock()
			return 0, l.err
		case !deadline.IsZero() && !time.Now().Before(deadline):
			l.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		}
		l.mu.Unlock()
		wait := time.Hour
		if !deadline.IsZero() {
			// The client takes the deadline from that of a context where there is one,
			// and repeats the request or not by which of the two ends first.
			wait = time.Until(deadline) + time.Microsecond
		}
		timer := time.NewTimer(wait)
		select {
		case <-l.changed:
		case <-timer.C:
		case <-l.world.over:
			l.end(errOver)
		}
		timer.Stop()
	}
}

// Close is what the client does with a connection that it has given up.
func (l *link) Close() error {
	l.end(net.ErrClosed)
	return nil
}

func (l *link) SetReadDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = t
	l.notify()
	return nil
}

func (l *link) SetDeadline(t time.Time) error    { return l.SetReadDeadline(t) }
func (l *link) SetWriteDeadline(time.Time) error { return nil }
func (l *link) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (l *link) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// wire is the far end of the links: the one connection over which all requests
// are run, one after the other.
func wire(r *memory.Redis) net.Conn {
	c, err := r.Dial()
	if err != nil {
		panic(err) // nobody has cut it
	}
	_ = c.SetReadDeadline(time.Unix(1, 0)) // a read takes what is there and never waits
	return c
}

// run runs a request and returns its replies.
func run(c net.Conn, request []byte) []byte {
	if _, err := c.Write(request); err != nil {
		panic(err)
	}
	return drain(c)
}

func drain(c net.Conn) []byte {
	var reply []byte
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		reply = append(reply, buf[:n]...)
		if err != nil {
			return reply
		}
	}
}
