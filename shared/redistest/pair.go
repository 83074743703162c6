package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// replicaTimeout is for a replica to have all that its primary has.
const replicaTimeout = 20 * time.Second

// Replication is a primary and its replica, which follows it asynchronously. The
// methods can be called from any goroutine, one at a time.
type Replication struct {
	host *host

	mu      sync.Mutex // of what a dialer reads
	primary *server
	replica *server
	link    *Link // from the replica to the primary
}

// Pair starts a primary with a replica, and gives a client, with the default
// settings for retries, that talks to whichever is the primary. Without a
// redis-server the test is skipped, but in CI it fails.
func Pair(t testing.TB) (*redis.Client, *Replication) {
	t.Helper()
	p := &Replication{host: newHost(t)}
	t.Cleanup(func() {
		if p.link != nil {
			p.link.close()
		}
	})
	var err error
	if p.primary, err = p.launch(); err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{
		Addr: "the primary", Protocol: 2, DisableIdentity: true,
		Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
			p.mu.Lock()
			addr := p.primary.addr
			p.mu.Unlock()
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	})
	t.Cleanup(func() { _ = rdb.Close() })
	if err := p.AddReplica(context.Background()); err != nil {
		t.Fatal(err)
	}
	return rdb, p
}

// launch starts a server that can be either.
func (p *Replication) launch() (*server, error) {
	return p.host.launch("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", "--repl-timeout", "60")
}

// AddReplica starts a new replica of the primary, with all that it has. After
// Failover there is none.
func (p *Replication) AddReplica(ctx context.Context) error {
	replica, err := p.launch()
	if err != nil {
		return err
	}
	link, err := linkTo(p.primary.addr)
	if err != nil {
		return err
	}
	p.replica, p.link = replica, link
	if err := p.tellReplica(ctx, link.Addr); err != nil {
		return err
	}
	return p.Sync(ctx)
}

// Sync returns once the replica has all that was written before.
func (p *Replication) Sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	rdb := redis.NewClient(&redis.Options{Addr: p.primary.addr, Protocol: 2, DisableIdentity: true, MaxRetries: -1})
	defer func() { _ = rdb.Close() }()
	conn := rdb.Conn() // WAIT is about the writes of its own connection
	defer func() { _ = conn.Close() }()
	return until(ctx, func() error {
		// It goes the way of a write, after all others, and leaves nothing.
		if err := conn.Publish(ctx, "redistest:sync", "").Err(); err != nil {
			return err
		}
		n, err := conn.Wait(ctx, 1, 200*time.Millisecond).Result()
		if err == nil && n == 0 {
			err = errors.New("redistest: the replica is not in sync")
		}
		return err
	})
}

// Pause keeps from the replica what is written from now on. What was written
// before without a Sync since, it has or has not. There is no way back: what
// follows is a Failover.
func (p *Replication) Pause() { p.link.Silence() }

// PauseAfter is Pause after so many bytes more of what the primary sends to the
// replica, be that in the midst of a step.
func (p *Replication) PauseAfter(bytes int64) { p.link.SilenceAfter(bytes) }

// Failover kills the primary and makes the replica the primary, with what it has.
func (p *Replication) Failover(ctx context.Context) error {
	if p.replica == nil {
		return errors.New("redistest: there is no replica to fail over to")
	}
	p.primary.kill()
	p.link.close()
	if err := p.tellReplica(ctx, ""); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.primary, p.replica = p.replica, nil
	return nil
}

// Subscribed reports whether anybody is subscribed to a channel of the primary: a
// failover would end that, and what is published meanwhile is not repeated.
func (p *Replication) Subscribed(ctx context.Context) (bool, error) {
	rdb := redis.NewClient(&redis.Options{Addr: p.primary.addr, Protocol: 2, DisableIdentity: true})
	defer func() { _ = rdb.Close() }()
	channels, err := rdb.PubSubChannels(ctx, "*").Result()
	return len(channels) > 0, err
}

// tellReplica has the replica follow an address, or nobody.
func (p *Replication) tellReplica(ctx context.Context, addr string) error {
	host, port := "NO", "ONE"
	if addr != "" {
		var err error
		if host, port, err = net.SplitHostPort(addr); err != nil {
			return err
		}
	}
	rdb := redis.NewClient(&redis.Options{Addr: p.replica.addr, Protocol: 2, DisableIdentity: true})
	defer func() { _ = rdb.Close() }()
	if err := rdb.ReplicaOf(ctx, host, port).Err(); err != nil {
		return fmt.Errorf("redistest: replica of %s %s: %w", host, port, err)
	}
	return nil
}
