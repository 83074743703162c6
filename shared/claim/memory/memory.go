// Package memory is the engine's Redis inside a test's own process, for unit
// tests of programs that use the engine. There is no port, no socket and no
// server process: a call of the client runs where it is made.
//
// It is not an imitation of the engine. The client is go-redis, the scripts and
// the effects are the very Lua that runs in production, on a Redis in Go
// (miniredis), and the package is held to the same conformance suite as every
// other Redis.
//
// The clock is the test's. In a testing/synctest bubble it is the bubble's, so
// that leases end while nobody waits for them; elsewhere it is the machine's, and
// Advance moves it. Cut, Mend and LoseReplies make the faults that a program has
// to live with.
package memory

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
)

// Redis is a Redis in memory. It is safe for concurrent use.
type Redis struct {
	mini   *miniredis.Miniredis
	client *redis.Client

	mu      sync.Mutex
	conns   map[*conn]bool
	ahead   time.Duration // by how much the clock was advanced
	now     time.Time     // what the clock shows
	cut     bool
	losing  int // replies to lose
	closing bool
}

// New makes an empty Redis that ends with the test. For a test in a synctest
// bubble it has to be made inside it.
func New(t testing.TB) *Redis {
	r := Open()
	t.Cleanup(r.Close)
	return r
}

// Open makes an empty Redis where there is no testing.TB, as in an example. It
// ends with Close.
func Open() *Redis {
	r := &Redis{mini: miniredis.NewMiniRedis(), conns: map[*conn]bool{}}
	r.tick()
	r.mini.ClockTTL(true)
	start, err := r.mini.Dial() // starts it without a listener
	if err != nil {
		panic(err) // it can fail only where there is a listener
	}
	_ = start.Close()
	r.client = redis.NewClient(&redis.Options{
		Addr: "127.0.0.1:6379", Protocol: 2, DisableIdentity: true,
		MinRetryBackoff: -1, MaxRetryBackoff: -1, DialerRetries: 1,
		ContextTimeoutEnabled: true,
		Dialer:                func(context.Context, string, string) (net.Conn, error) { return r.Dial() },
	})
	return r
}

// Close breaks all connections, that of Client included, and waits until nothing
// runs any more.
func (r *Redis) Close() {
	_ = r.client.Close() // it fails only if it was closed before
	r.mu.Lock()
	r.closing = true
	r.mu.Unlock()
	r.hangUp(net.ErrClosed)
	r.mini.Close()
}

// Client is the client of this Redis. It repeats a call whose connection broke, 3
// times, at once.
func (r *Redis) Client() *redis.Client { return r.client }

// Engine opens the engine for a partition, as claim.Open does, and panics where
// that returns an error: the partition or an option is wrong.
func (r *Redis) Engine(partition string, o claim.Options) *claim.Engine {
	e, err := claim.Open(r.client, partition, o)
	if err != nil {
		panic(err)
	}
	return e
}

// Dial makes a connection, for a client with options of its own. A command that
// does not wait for anything has run when Write returns.
func (r *Redis) Dial() (net.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut || r.closing {
		return nil, &net.OpError{Op: "dial", Net: "memory", Err: errCut}
	}
	c := newConn(r)
	r.conns[c] = true
	return c, nil
}

// Advance moves the clock of Redis forward: what expires by then is gone, and what
// is pending has been idle for that much longer. A command that waits just now is
// not woken. It panics if d is under zero: the clock does not run backwards.
func (r *Redis) Advance(d time.Duration) {
	if d < 0 {
		panic(fmt.Sprintf("memory: advance by %v", d))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead += d
}

// tick sets the clock for the next command: it stands still while the command
// runs, as that of Redis does, and has moved on by a microsecond at least before
// the next one, though no time passes in a bubble.
func (r *Redis) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now().Add(r.ahead).Truncate(time.Microsecond)
	if !now.After(r.now) {
		now = r.now.Add(time.Microsecond)
	}
	r.now = now
	r.mini.SetTime(now)
}

var (
	errCut  = errors.New("memory: redis was cut off")
	errLost = errors.New("memory: the reply was lost")
)

// Cut takes Redis away: connections break, and none can be made until Mend. What
// is in it stays.
func (r *Redis) Cut() {
	r.mu.Lock()
	r.cut = true
	r.mu.Unlock()
	r.hangUp(errCut)
}

// Mend brings Redis back after Cut.
func (r *Redis) Mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = false
}

// LoseReplies lets the next n requests run and breaks their connections before the
// answer; one that waits is broken off. One lost reply shows that a repeated call does no harm, since Client
// repeats it by itself. With four in a row the caller gets an error for what has
// happened.
func (r *Redis) LoseReplies(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.losing = n
}

// loses reports whether the reply to the request that was just run is to be lost.
func (r *Redis) loses() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.losing == 0 {
		return false
	}
	r.losing--
	return true
}

func (r *Redis) hangUp(err error) {
	r.mu.Lock()
	var open []*conn
	for c := range r.conns {
		open = append(open, c)
	}
	r.mu.Unlock()
	for _, c := range open {
		c.end(err)
	}
}

func (r *Redis) forget(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}
