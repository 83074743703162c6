package connect

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func open(t *testing.T, s Settings) *redis.Client {
	t.Helper()
	rdb, err := Open(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	return rdb.(*redis.Client)
}

// From the variables that Lambda sets to what goes over the wire.
func TestIAMOverTLS(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": keyID, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_SESSION_TOKEN": "session", "AWS_REGION": "eu-central-1",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	c := newElastiCache(t)
	addr, roots := c.listen()
	rdb := open(t, Settings{Addr: addr, TLS: true, Auth: "iam", User: "photofinish", CacheName: "My-Cache"})
	rdb.Options().TLSConfig.RootCAs = roots
	if err := rdb.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err, c.refused)
	}
	if got := c.tally(); got.taken != 1 || got.refused != 0 || field(t, c.taken[0], "X-Amz-Security-Token") != "session" {
		t.Errorf("%+v, token %s", got, c.taken)
	}
}

func TestAServerThatNobodyVouchesForIsRefused(t *testing.T) {
	t.Parallel()
	c := newElastiCache(t)
	addr, _ := c.listen()
	rdb := open(t, Settings{Addr: addr, TLS: true, Auth: "password", Password: "the-password"})
	err := rdb.Ping(t.Context()).Err()
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v, want that the certificate is not trusted", err)
	}
	if got := c.tally(); got.commands != 0 {
		t.Errorf("it was told %d commands", got.commands)
	}
}

// What a command takes at most: less than the shortest time that a function of
// template.yaml has, which is 10 s.
const commandTime = patience + time.Second

// A server whose process has stopped: the kernel takes connections, nobody answers.
func TestAHungServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for name, s := range map[string]Settings{
		"plain":   {Auth: "none"},
		"auth":    {Auth: "password", Password: "the-password"},
		"tls":     {Auth: "none", TLS: true},
		"cluster": {Auth: "none", TLS: true, Cluster: true},
	} {
		s.Addr = l.Addr().String()
		for deadline, most := range map[time.Duration]time.Duration{0: commandTime, time.Second: 2500 * time.Millisecond} {
			t.Run(name+" "+deadline.String(), func(t *testing.T) {
				t.Parallel()
				rdb, err := Open(s, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer rdb.Close()
				ctx := t.Context()
				if deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, deadline)
					defer cancel()
				}
				start := time.Now()
				err = rdb.Get(ctx, "k").Err()
				if took := time.Since(start); err == nil || took > most {
					t.Errorf("%v after %v, want an error within %v", err, took, most)
				}
				if err != nil && strings.Contains(err.Error(), "the-password") {
					t.Errorf("the password is in the error: %v", err)
				}
			})
		}
	}
}
