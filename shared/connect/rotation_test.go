package connect

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/redis/go-redis/v9"
)

// These tests run in virtual time: days pass in a moment.

// iamClient is the client that Open makes for IAM, but connected through memory
// and with the credentials of a test.
func iamClient(t *testing.T, c *elastiCache, a *account) *redis.Client {
	t.Helper()
	s := Settings{Addr: "cache:6379", TLS: true, Auth: "iam", User: "photofinish", CacheName: "My-Cache"}
	o, err := options(s, 10)
	if err != nil {
		t.Fatal(err)
	}
	tokens := a.tokens(s)
	tokens.now = time.Now
	o.CredentialsProviderContext = tokens.credentials
	o.Dialer = c.Dial
	rdb := client(o).(*redis.Client)
	t.Cleanup(func() {
		_ = rdb.Close()
		c.running.Wait()
	})
	return rdb
}

// connection makes a new connection, and keeps it from the pool until the test
// ends.
func connection(t *testing.T, rdb *redis.Client) error {
	t.Helper()
	conn := rdb.Conn()
	t.Cleanup(func() { _ = conn.Close() })
	return conn.Ping(t.Context()).Err()
}

func TestANewConnectionHasAGoodToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newElastiCache(t)
		rdb := iamClient(t, c, newAccount())
		for _, step := range []struct {
			after         time.Duration
			taken, tokens int
		}{
			{0, 1, 1},
			{0, 2, 1},
			{tokenRefresh - time.Second, 3, 1}, // almost 12 minutes: the same
			{time.Second, 4, 2},                // then another
			{tokenLife, 5, 3},
			{24 * time.Hour, 6, 4},
		} {
			time.Sleep(step.after)
			if err := connection(t, rdb); err != nil {
				t.Fatalf("after %v: %v", step.after, err)
			}
			if got := c.tally(); got.taken != step.taken || got.tokens != step.tokens || got.refused != 0 {
				t.Fatalf("after %v more: %+v; want %d taken, with %d tokens", step.after, got, step.taken, step.tokens)
			}
		}
	})
}

func TestATokenIsSignedAnewWhenTheCredentialsRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a := newElastiCache(t), newAccount()
		rotate := func(id string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.secrets = map[string]string{id: "secret of " + id} // the old ones have ended
			a.creds = aws.Credentials{AccessKeyID: id, SecretAccessKey: "secret of " + id, SessionToken: "session", CanExpire: true, Expires: time.Now().Add(6 * time.Hour)}
		}
		rotate("AKIDFIRST")
		rdb := iamClient(t, c, a)
		for i := range 6 {
			if err := connection(t, rdb); err != nil {
				t.Fatalf("after %d rotations: %v", i, err)
			}
			time.Sleep(6*time.Hour - time.Second)
			rotate(fmt.Sprintf("AKID%d", i))
		}
		if got := c.tally(); got.taken != 6 || got.tokens != 6 || got.refused != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// A client whose clock is too far from the server's is refused, and says so
// without its token.
func TestAClockThatIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newElastiCache(t)
		c.ahead = 16 * time.Minute
		err := iamClient(t, c, newAccount()).Ping(t.Context()).Err()
		if err == nil || !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "Signature") {
			t.Errorf("%v, want WRONGPASS and no token", err)
		}
		if got := c.tally(); got.taken != 0 || got.refused == 0 {
			t.Errorf("%+v", got)
		}
	})
}

// Three days of commands at all times of the day: no connection is old enough to
// be ended by the server, and no token is refused.
func TestConnectionsAreReplacedBeforeTheServerEndsThem(t *testing.T) {
	for name, every := range map[string]time.Duration{"busy": time.Minute, "now and then": 29 * time.Minute, "seldom": 7 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newElastiCache(t)
				rdb := iamClient(t, c, newAccount())
				for start := time.Now(); time.Since(start) < 72*time.Hour; time.Sleep(every) {
					if err := rdb.Get(t.Context(), "k").Err(); err != nil {
						t.Fatalf("after %v: %v", time.Since(start), err)
					}
				}
				_ = rdb.Close()
				c.running.Wait()
				got := c.tally()
				if got.taken < 6 || got.refused != 0 {
					t.Errorf("%+v", got)
				}
				// One that nobody uses any more may lie in the pool for longer.
				if every < connLife-iamConnLifetime && (got.cuts != 0 || got.oldest >= connLife) {
					t.Errorf("%+v, and none should be ended by the server", got)
				}
			})
		})
	}
}

// The bridge's way of reading: one read after the other, each of which waits.
func TestReadsThatWaitOutliveNoConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newElastiCache(t)
		rdb := iamClient(t, c, newAccount())
		for start := time.Now(); time.Since(start) < 72*time.Hour; {
			err := rdb.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: "g", Consumer: "c", Streams: []string{"s", ">"}, Count: 1, Block: time.Minute}).Err()
			if !errors.Is(err, redis.Nil) {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
		}
		_ = rdb.Close()
		c.running.Wait()
		if got := c.tally(); got.taken < 6 || got.tokens != got.taken || got.refused != 0 || got.cuts != 0 || got.oldest >= connLife {
			t.Errorf("%+v", got)
		}
	})
}

// A connection that listens is none of the pool: the server ends it after 12
// hours, and the client listens again, with a new token.
func TestASubscriptionSurvivesTheEndOfItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newElastiCache(t)
		rdb := iamClient(t, c, newAccount())
		sub := rdb.Subscribe(t.Context(), "channel")
		defer sub.Close()
		var heard atomic.Int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range sub.Channel() {
				heard.Add(1)
			}
		}()
		const hours = 50
		missed := 0
		for hour := range hours {
			time.Sleep(time.Hour)
			synctest.Wait()
			if c.publish(fmt.Sprint(hour)) != 1 {
				missed++ // published at the very moment in which it is cut
			}
			synctest.Wait()
		}
		if n := heard.Load(); n+int64(missed) != hours || missed > hours/12 {
			t.Errorf("%d messages heard and %d missed of %d", n, missed, hours)
		}
		if got := c.tally(); got.cuts != hours/12 || got.taken <= got.cuts || got.tokens != got.cuts+1 || got.refused != 0 {
			t.Errorf("%+v", got)
		}
		_ = sub.Close()
		<-done
	})
}

// A command that the server cuts off is tried again on another connection: here
// the cut comes in the midst of each read that waits, for the pool cannot help it.
func TestACommandThatIsCutOffIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newElastiCache(t)
		rdb := iamClient(t, c, newAccount())
		err := rdb.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: "g", Consumer: "c", Streams: []string{"s", ">"}, Block: 13 * time.Hour}).Err()
		if err == nil || errors.Is(err, redis.Nil) {
			t.Errorf("a read of 13 hours: %v", err)
		}
		if got := c.tally(); got.cuts != 1+retries || got.taken != 1+retries || got.tokens != got.taken || got.refused != 0 {
			t.Errorf("%+v", got)
		}
		if err := rdb.Ping(t.Context()).Err(); err != nil {
			t.Error(err)
		}
	})
}
