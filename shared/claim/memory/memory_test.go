package memory_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/claim/claimtest"
	"photofinish/shared/claim/memory"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	claimtest.Run(t, memory.New(t).Client())
}

func TestConformanceOnVirtualTime(t *testing.T) {
	t.Parallel()
	for _, c := range claimtest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rdb := memory.New(t).Client()
				rdb.AddHook(latency{})
				c.Run(t, rdb, claim.Open)
			})
		})
	}
}

// latency lets time pass with each call: a case that waits for a lease to end asks
// again and again.
type latency struct{}

func (latency) DialHook(next redis.DialHook) redis.DialHook { return next }

func (latency) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		time.Sleep(time.Millisecond)
		return next(ctx, cmd)
	}
}

func (latency) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		time.Sleep(time.Millisecond)
		return next(ctx, cmds)
	}
}

var effect = claim.NewEffect("push", `redis.call('RPUSH', KEYS[1], order.id) return 'settled'`)

// held is an order that is placed and claimed for a minute by "A".
func held(t testing.TB, r *memory.Redis) (*claim.Engine, claim.Settlement) {
	t.Helper()
	e := r.Engine("main", claim.Options{})
	if _, err := e.Place(t.Context(), claim.Placement{ID: "29", Fingerprint: "f"}); err != nil {
		t.Fatal(err)
	}
	got, err := e.Claim(t.Context(), "A", time.Minute, []claim.Delivery{{ID: "29", Count: 1}})
	if err != nil || got[0].Outcome != claim.Won {
		t.Fatalf("claim: %+v, %v", got, err)
	}
	return e, claim.Settlement{Held: claim.Held{ID: "29", Fence: got[0].Fence}, Keys: []string{"{main}:done"}}
}

func settle(t testing.TB, e *claim.Engine, s claim.Settlement) (claim.Outcome, error) {
	t.Helper()
	ends, err := e.Settle(t.Context(), "A", effect, []claim.Settlement{s})
	if err != nil {
		return "", err
	}
	return ends[0].Outcome, nil
}

func TestALeaseEndsWhenTheClockIsAdvanced(t *testing.T) {
	t.Parallel()
	r := memory.New(t)
	e, s := held(t, r)
	r.Advance(59 * time.Second)
	if n := r.Client().Exists(t.Context(), e.Keys().Lock("29")).Val(); n != 1 {
		t.Fatal("the lease of a minute has ended after 59 s")
	}
	r.Advance(2 * time.Second)
	if got, err := settle(t, e, s); got != claim.Lost || err != nil {
		t.Errorf("settle: %v, %v, want lost", got, err)
	}
}

func TestALeaseEndsOnTheTimeOfTheBubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := memory.New(t)
		e, s := held(t, r)
		time.Sleep(59 * time.Second)
		if n := r.Client().Exists(t.Context(), e.Keys().Lock("29")).Val(); n != 1 {
			t.Fatal("the lease of a minute has ended after 59 s")
		}
		time.Sleep(2 * time.Second)
		if got, err := settle(t, e, s); got != claim.Lost || err != nil {
			t.Errorf("settle: %v, %v, want lost", got, err)
		}
	})
}

func TestWithoutRedisACallFailsAndLeavesAllAsItWas(t *testing.T) {
	t.Parallel()
	r := memory.New(t)
	e, s := held(t, r)
	r.Cut()
	if _, err := settle(t, e, s); !claim.Unavailable(err) {
		t.Errorf("settle without Redis: %v, want that it is unavailable", err)
	}
	r.Mend()
	if got, err := settle(t, e, s); got != claim.Done || err != nil {
		t.Errorf("settle: %v, %v", got, err)
	}
	if n := r.Client().LLen(t.Context(), "{main}:done").Val(); n != 1 {
		t.Errorf("%d effects, want 1", n)
	}
}

func TestALostReplyIsOfACallThatHasRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lost int
		err  bool
	}{{1, false}, {3, false}, {4, true}} {
		r := memory.New(t)
		e, s := held(t, r)
		r.LoseReplies(c.lost)
		got, err := settle(t, e, s)
		if c.err != (err != nil) || !c.err && got != claim.Done {
			t.Errorf("%d replies lost: %v, %v", c.lost, got, err)
		}
		if n := r.Client().LLen(t.Context(), "{main}:done").Val(); n != 1 {
			t.Errorf("%d replies lost: %d effects, want 1", c.lost, n)
		}
	}
}

// A read that waits is answered by what comes, by its time, or by an end of the
// connection.
func TestACommandThatWaits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		event func(r *memory.Redis, e *claim.Engine) error
		after time.Duration
		want  string
	}{
		{"for an order that comes", func(_ *memory.Redis, e *claim.Engine) error {
			_, err := e.Place(context.Background(), claim.Placement{ID: "29", Fingerprint: "f"})
			return err
		}, 3 * time.Second, "[29] <nil>"},
		{"in vain", func(*memory.Redis, *claim.Engine) error { return nil }, 10 * time.Second, "[] <nil>"},
		{"and is cut off", func(r *memory.Redis, _ *claim.Engine) error { r.Cut(); return nil }, 3 * time.Second, "[] cut"},
		{"and its client is closed", func(r *memory.Redis, _ *claim.Engine) error { return r.Client().Close() }, 3 * time.Second, "[] closed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := memory.New(t)
				e := r.Engine("main", claim.Options{})
				q := e.Queue("one")
				if err := q.Join(t.Context()); err != nil {
					t.Fatal(err)
				}
				start, done := time.Now(), make(chan string, 1)
				go func() {
					ds, err := q.Read(t.Context(), 10, 10*time.Second)
					ids := []string{}
					for _, d := range ds {
						ids = append(ids, d.ID)
					}
					done <- fmt.Sprint(ids, " ", short(err))
				}()
				time.Sleep(3 * time.Second)
				if err := c.event(r, e); err != nil {
					t.Fatal(err)
				}
				if got := <-done; got != c.want {
					t.Errorf("the read got %s, want %s", got, c.want)
				}
				if took := time.Since(start); took != c.after {
					t.Errorf("the read took %v, want %v", took, c.after)
				}
			})
		})
	}
}

func short(err error) any {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, redis.ErrClosed), errors.Is(err, net.ErrClosed):
		return "closed"
	case strings.Contains(err.Error(), "cut off"):
		return "cut"
	}
	return err
}

func TestWhatIsPublishedIsHeard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := memory.New(t)
		sub := r.Client().Subscribe(t.Context(), "order_updates")
		defer sub.Close()
		if _, err := sub.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		placement := claim.Placement{ID: "29", Fingerprint: "f", Channel: "order_updates", Announcement: []byte("hello")}
		if _, err := r.Engine("main", claim.Options{}).Place(t.Context(), placement); err != nil {
			t.Fatal(err)
		}
		m, err := sub.ReceiveMessage(t.Context())
		if err != nil || m.Payload != "hello" {
			t.Fatalf("heard %v, %v", m, err)
		}
		if _, err := sub.ReceiveTimeout(t.Context(), time.Second); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("heard more, or %v", err)
		}
	})
}

// A request may come in pieces, and several at once.
func TestRequestsInPieces(t *testing.T) {
	t.Parallel()
	conn, err := memory.New(t).Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const request = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4\r\nx\r\ny\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n"
	for i := range len(request) {
		if _, err := conn.Write([]byte(request[i : i+1])); err != nil {
			t.Fatal(err)
		}
	}
	answers := bufio.NewReader(conn)
	for _, want := range []string{"+OK", "$4", "x", "y", "+PONG"} {
		if line, err := answers.ReadString('\n'); err != nil || line != want+"\r\n" {
			t.Fatalf("answer %q, %v, want %q", line, err, want)
		}
	}
	if _, err := conn.Write([]byte("GET a\r\n")); err == nil {
		t.Error("a request that is no array was taken")
	}
}

func TestNothingIsLeftWhenTheTestEnds(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("used", func(t *testing.T) {
		r := memory.New(t)
		sub := r.Client().Subscribe(t.Context(), "a")
		if _, err := sub.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		go func() { _ = r.Client().BLPop(context.Background(), 0, "never").Err() }() // ends with r
		other, err := r.Dial()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprint(other, "*3\r\n$5\r\nBLPOP\r\n$5\r\nnever\r\n$1\r\n0\r\n"); err != nil {
			t.Fatal(err)
		}
	})
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("goroutines left:\n%s", buf[:runtime.Stack(buf, true)])
		}
	}
}
