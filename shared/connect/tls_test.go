package connect

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// cache is what a client needs of an ElastiCache with TLS: it says yes to
// everything, and keeps the commands.
type cache struct {
	addr  string
	roots *x509.CertPool

	mu       sync.Mutex
	commands [][]string
}

func newCache(t *testing.T) *cache {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	c := &cache{roots: x509.NewCertPool()}
	c.roots.AddCert(web.Certificate())
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	c.addr = l.Addr().String()
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return c
}

func (c *cache) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	number := func() (int, error) { // of a line such as *3 or $4
		line, err := r.ReadString('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	for {
		n, err := number()
		if err != nil {
			return
		}
		command := make([]string, n)
		for i := range command {
			size, err := number()
			if err != nil {
				return
			}
			word := make([]byte, size+2)
			if _, err := io.ReadFull(r, word); err != nil {
				return
			}
			command[i] = string(word[:size])
		}
		c.mu.Lock()
		c.commands = append(c.commands, command)
		c.mu.Unlock()
		answer := "+OK\r\n"
		if strings.EqualFold(command[0], "hello") {
			answer = "*0\r\n"
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

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
		"AWS_ACCESS_KEY_ID": keyID, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_SESSION_TOKEN": "session", "AWS_REGION": "eu-west-1",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	c := newCache(t)
	rdb := open(t, Settings{Addr: c.addr, TLS: true, Auth: "iam", User: "photofinish", CacheName: "MyStack"})
	rdb.Options().TLSConfig.RootCAs = c.roots
	if err := rdb.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.commands[0] // HELLO 2 AUTH user token
	if len(first) != 5 || !strings.EqualFold(first[2], "auth") || first[3] != "photofinish" {
		t.Fatalf("the first command is %q, want that it authenticates photofinish", first)
	}
	token := first[4]
	if !strings.HasPrefix(token, "mystack/?Action=connect&") || field(t, token, "X-Amz-Security-Token") != "session" ||
		!strings.HasSuffix(field(t, token, "X-Amz-Credential"), "/eu-west-1/elasticache/aws4_request") ||
		signature(t, token, secretKey) != field(t, token, "X-Amz-Signature") {
		t.Errorf("token %s", token)
	}
	if life := rdb.Options().ConnMaxLifetime; life <= 0 || life >= 12*time.Hour {
		t.Errorf("connections live %v; ElastiCache ends them after 12h", life)
	}
}

func TestAServerThatNobodyVouchesForIsRefused(t *testing.T) {
	t.Parallel()
	c := newCache(t)
	rdb := open(t, Settings{Addr: c.addr, TLS: true, Auth: "password", Password: "the-password"})
	err := rdb.Ping(t.Context()).Err()
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v, want that the certificate is not trusted", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.commands) != 0 {
		t.Errorf("it was told %q", c.commands)
	}
}

// The shortest time that a function of template.yaml has.
const functionTimeout = 10 * time.Second

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
		for deadline, most := range map[time.Duration]time.Duration{0: functionTimeout, time.Second: 2500 * time.Millisecond} {
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
