package connect

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
)

// outage is a server that is away for some time, in one of several ways, and then
// answers. It lives in virtual time.
type outage struct {
	over    time.Time
	refuse  bool   // there is nobody to connect to
	hang    bool   // connections are made, and nothing is answered
	drop    bool   // connections end without an answer
	answer  string // what is answered instead
	running sync.WaitGroup
}

func (o *outage) Dial(context.Context, string, string) (net.Conn, error) {
	if o.refuse && time.Now().Before(o.over) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	near, far := net.Pipe()
	o.running.Go(func() {
		defer far.Close()
		for r := bufio.NewReader(far); ; {
			command, err := readCommand(r)
			if err != nil {
				return
			}
			answer := "+OK\r\n"
			if strings.EqualFold(command[0], "hello") {
				answer = "*0\r\n"
			} else if time.Now().Before(o.over) {
				switch {
				case o.hang:
					continue
				case o.drop:
					return
				case o.answer != "":
					answer = o.answer + "\r\n"
				}
			}
			if _, err := io.WriteString(far, answer); err != nil {
				return
			}
		}
	})
	return socket{near}, nil
}

// socket is a pipe that takes deadlines after its end, as a real connection does.
type socket struct{ net.Conn }

func (s socket) SetReadDeadline(at time.Time) error {
	_ = s.Conn.SetReadDeadline(at)
	return nil
}

func (s socket) SetWriteDeadline(at time.Time) error {
	_ = s.Conn.SetWriteDeadline(at)
	return nil
}

func (o *outage) client(t *testing.T, pool int) *redis.Client {
	t.Helper()
	opt, err := options(Settings{Addr: "redis:6379", Auth: "none"}, pool)
	if err != nil {
		t.Fatal(err)
	}
	opt.Dialer = o.Dial
	rdb := client(opt).(*redis.Client)
	t.Cleanup(func() {
		_ = rdb.Close()
		o.running.Wait()
		time.Sleep(2 * time.Second) // the pool's probe of a dead server ends
	})
	return rdb
}

func outages() map[string]*outage {
	return map[string]*outage{
		"refused":     {refuse: true},
		"dropped":     {drop: true},
		"LOADING":     {answer: "-LOADING Redis is loading the dataset in memory"},
		"READONLY":    {answer: "-READONLY You can't write against a read only replica."},
		"CLUSTERDOWN": {answer: "-CLUSTERDOWN The cluster is down"},
		"TRYAGAIN":    {answer: "-TRYAGAIN Multiple keys request during rehashing of slot"},
		"MASTERDOWN":  {answer: "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."},
	}
}

func TestAnOutageOfAMomentIsRiddenOut(t *testing.T) {
	for name := range outages() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := outages()[name]
				o.over = time.Now().Add(1500 * time.Millisecond)
				rdb := o.client(t, 2) // as few as a contender has
				start := time.Now()
				if err := rdb.Set(t.Context(), "k", "v", 0).Err(); err != nil {
					t.Fatalf("after %v: %v", time.Since(start), err)
				}
				if took := time.Since(start); took < 1500*time.Millisecond || took > 1500*time.Millisecond+2*maxBackoff+time.Second {
					t.Errorf("it took %v", took) // the pool probes a dead server once a second
				}
			})
		})
	}
}

func TestALongerOutageIsReportedInTime(t *testing.T) {
	all := outages()
	all["hung"] = &outage{hang: true}
	for name := range all {
		for kind, run := range map[string]func(context.Context, *redis.Client) error{
			"command": func(ctx context.Context, rdb *redis.Client) error { return rdb.Set(ctx, "k", "v", 0).Err() },
			"pipeline": func(ctx context.Context, rdb *redis.Client) error {
				pipe := rdb.Pipeline()
				set := pipe.Set(ctx, "k", "v", 0)
				if _, err := pipe.Exec(ctx); err == nil {
					return nil
				}
				return set.Err()
			},
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := outages()[name]
					if o == nil {
						o = &outage{hang: true}
					}
					o.over = time.Now().Add(time.Hour)
					rdb := o.client(t, 2)
					start := time.Now()
					err := run(t.Context(), rdb)
					if took := time.Since(start); err == nil || took > patience {
						t.Errorf("%v after %v, want an error within %v", err, took, patience)
					}
					if !claim.Unavailable(err) {
						t.Errorf("%v does not count as an outage", err)
					}
					if o.hang && kind == "command" && !strings.Contains(err.Error(), "redis gave no answer within 5s") {
						t.Errorf("%v, want that there was no answer", err)
					}
				})
			})
		}
	}
}

// A caller that has less time gets its own error, then.
func TestTheDeadlineOfTheCallerComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &outage{hang: true, over: time.Now().Add(time.Hour)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := o.client(t, 2).Ping(ctx).Err()
		if took := time.Since(start); err == nil || took > time.Second || strings.Contains(err.Error(), "5s") {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// A read that waits takes its time: it is not cut short.
func TestWhatWaitsMayTakeLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newElastiCache(t)
		rdb := iamClient(t, c, newAccount())
		start := time.Now()
		err := rdb.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: "g", Consumer: "c", Streams: []string{"s", ">"}, Block: 4 * patience}).Err()
		if took := time.Since(start); !errors.Is(err, redis.Nil) || took != 4*patience {
			t.Errorf("%v after %v", err, took)
		}
	})
	for _, cmd := range []redis.Cmder{
		redis.NewCmd(t.Context(), "WAIT", 1, 100), redis.NewCmd(t.Context(), "xread", "BLOCK", 5, "streams", "s", "0"), redis.NewCmd(t.Context(), "blpop", "k", 1),
	} {
		if !waits(cmd) {
			t.Errorf("%v does not wait", cmd.Args())
		}
	}
	for _, cmd := range []redis.Cmder{redis.NewCmd(t.Context(), "get", "block"), redis.NewCmd(t.Context(), "xread", "streams", "s", "0")} {
		if waits(cmd) {
			t.Errorf("%v waits", cmd.Args())
		}
	}
}
