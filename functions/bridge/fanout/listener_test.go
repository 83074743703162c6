package fanout

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// listener is an admission at work, for a bridge that hands nothing out.
type listener struct {
	*admission
	log        *logs
	stop, kill context.CancelFunc
	ended      chan error
}

// admit starts an admission whose lanes write with one client and which listens
// with another, and waits until it hears.
func admit(t *testing.T, listens, writes redis.UniversalClient, warehouses ...string) *listener {
	t.Helper()
	s := quick()
	s.Warehouses = warehouses
	l := &listener{log: &logs{}, ended: make(chan error, 1)}
	lanes, err := open(writes, s, nil, l.log.logger())
	if err != nil {
		t.Fatal(err)
	}
	l.admission = newAdmission(listens, s, lanes, l.log.logger())
	soft, stop := context.WithCancel(context.Background())
	hard, kill := context.WithCancel(context.Background())
	l.stop, l.kill = stop, kill
	go func() {
		l.ended <- l.run(soft, hard)
		close(l.ended) // who waits a second time finds nil
	}()
	t.Cleanup(func() {
		stop()
		kill()
		l.end(t)
		if t.Failed() {
			t.Logf("log of the bridge:\n%s", l.log.tail())
		}
	})
	until(t, "the bridge to hear", func() bool { return len(l.log.lines(t, "channel heard")) > 0 })
	return l
}

func (l *listener) end(t *testing.T) {
	t.Helper()
	select {
	case err := <-l.ended:
		if err != nil {
			t.Errorf("the admission ended with %v", err)
		}
	case <-time.After(patience):
		t.Errorf("the admission did not end within %v", patience)
	}
}

func publish(t *testing.T, rdb *redis.Client, messages ...string) {
	t.Helper()
	for _, m := range messages {
		if err := rdb.Publish(t.Context(), "order_updates", m).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// marked waits until every bridge has taken in all that was published before. A
// bridge reads a batch of messages and then places it: so when it reads a second
// mark, which was not there yet as it read the first, all before that is placed.
func marked(t *testing.T, rdb *redis.Client, ls ...*listener) {
	t.Helper()
	for range 2 {
		seen := make([]int64, len(ls))
		for i, l := range ls {
			seen[i] = l.dropped.Load()
		}
		publish(t, rdb, "a mark")
		for i, l := range ls {
			until(t, "the mark to be read", func() bool { return l.dropped.Load() > seen[i] })
		}
	}
}
