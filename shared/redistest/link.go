package redistest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Link is a way to a Redis that a test can cut, and mend. It ends with the test.
type Link struct {
	// Addr is where it listens, on the loopback interface.
	Addr   string
	target string

	mu       sync.Mutex
	listener net.Listener // nil while cut
	pairs    map[*pair]bool
	running  sync.WaitGroup
}

// NewLink makes a link to the Redis of a client.
func NewLink(t testing.TB, rdb *redis.Client) *Link {
	t.Helper()
	l, err := linkTo(rdb.Options().Addr)
	if err != nil {
		t.Fatalf("link: %v", err)
	}
	t.Cleanup(l.close)
	return l
}

func linkTo(target string) (*Link, error) {
	l := &Link{target: target, pairs: map[*pair]bool{}}
	if err := l.listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	l.Addr = l.listener.Addr().String()
	return l, nil
}

func (l *Link) close() {
	l.Cut()
	l.running.Wait()
}

// Cut ends all connections and refuses new ones.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != nil {
		_ = l.listener.Close()
		l.listener = nil
	}
	for p := range l.pairs {
		p.close()
	}
}

// Mend takes connections again after Cut.
func (l *Link) Mend(t testing.TB) {
	t.Helper()
	if err := l.listen(l.Addr); err != nil {
		t.Fatalf("link: %v", err)
	}
}

// Silence leaves the connections that there are open, but passes nothing more on
// in either direction, as where packets are lost on the way. New connections work.
func (l *Link) Silence() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pairs {
		p.silent.Store(true)
	}
}

// SilenceAfter is Silence once Redis has sent so many bytes more, on each of the
// connections that there are. The last of them may be in the midst of a command.
func (l *Link) SilenceAfter(bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pairs {
		p.left.Store(bytes)
	}
}

func (l *Link) listen(addr string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listener = listener
	l.running.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			l.connect(listener, near)
		}
	})
	return nil
}

func (l *Link) connect(listener net.Listener, near net.Conn) {
	far, err := net.Dial("tcp", l.target)
	if err != nil {
		_ = near.Close()
		return
	}
	p := &pair{near: near, far: far}
	p.left.Store(-1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != listener { // cut meanwhile
		p.close()
		return
	}
	l.pairs[p] = true
	var both sync.WaitGroup
	both.Go(func() { p.pass(far, near) })
	both.Go(func() { p.pass(near, far) })
	l.running.Go(func() {
		both.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.pairs, p)
	})
}

// pair is one connection of a client and its continuation to Redis.
type pair struct {
	near, far net.Conn
	silent    atomic.Bool
	left      atomic.Int64 // bytes from Redis until it falls silent; negative: no end is set
}

func (p *pair) pass(to, from net.Conn) {
	defer p.close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if from == p.far {
			n = p.allowed(n)
		}
		if n > 0 && !p.silent.Load() {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// allowed is how many of n bytes from Redis may still pass.
func (p *pair) allowed(n int) int {
	for {
		left := p.left.Load()
		if left < 0 {
			return n
		}
		pass := min(left, int64(n))
		if p.left.CompareAndSwap(left, left-pass) {
			return int(pass)
		}
	}
}

func (p *pair) close() {
	_ = p.near.Close()
	_ = p.far.Close()
}
