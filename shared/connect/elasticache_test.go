package connect

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// elastiCache is a server that authenticates with IAM as ElastiCache does: it
// takes a token only if that is a request to connect, to this cache as this user,
// signed with credentials it knows, and at most 15 minutes old; and it ends a
// connection 12 hours after its last authentication. Of Redis it knows what these
// tests need. Its clock is that of the test or of its synctest bubble.
type elastiCache struct {
	t          *testing.T
	name, user string
	serverless bool
	secrets    map[string]string // by the id of the access key
	ahead      time.Duration     // of its clock before the client's

	running  sync.WaitGroup
	mu       sync.Mutex
	taken    []string // tokens, one for each authentication
	refused  []error
	cuts     int
	oldest   time.Duration
	commands int
	ears     map[*session]bool // connections that listen
}

const connLife = 12 * time.Hour

func newElastiCache(t *testing.T) *elastiCache {
	return &elastiCache{t: t, name: "my-cache", user: "photofinish", secrets: map[string]string{keyID: secretKey}, ears: map[*session]bool{}}
}

// check says what is wrong with a token.
func (c *elastiCache) check(user, token string) error {
	u, err := url.Parse("http://" + token)
	if err != nil {
		return err
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return err
	}
	want := url.Values{
		"Action": {"connect"}, "User": {user}, "X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-SignedHeaders": {"host"},
	}
	if c.serverless {
		want.Set("ResourceType", "ServerlessCache")
	}
	for name := range want {
		if query.Get(name) != want.Get(name) {
			return fmt.Errorf("%s is %q, not %q", name, query.Get(name), want.Get(name))
		}
	}
	for name, values := range query {
		known := want.Has(name) || strings.HasPrefix(name, "X-Amz-")
		if !known || len(values) != 1 {
			return fmt.Errorf("%s is given %d times", name, len(values))
		}
	}
	if u.Host != c.name || u.Path != "/" || user != c.user {
		return fmt.Errorf("it is for %s%s as %s", u.Host, u.Path, user)
	}
	date, err := time.Parse(amzDate, query.Get("X-Amz-Date"))
	if err != nil {
		return err
	}
	expires, err := strconv.Atoi(query.Get("X-Amz-Expires"))
	if err != nil || expires < 1 || expires > 900 {
		return fmt.Errorf("X-Amz-Expires is %q", query.Get("X-Amz-Expires"))
	}
	age := time.Now().Add(c.ahead).Sub(date)
	if age < -time.Second || age >= time.Duration(expires)*time.Second {
		return fmt.Errorf("it is %v old", age)
	}
	key, scope, _ := strings.Cut(query.Get("X-Amz-Credential"), "/")
	if scope != date.Format("20060102")+"/eu-central-1/elasticache/aws4_request" {
		return fmt.Errorf("the scope is %s", scope)
	}
	secret, ok := c.secrets[key]
	if !ok || signature(c.t, token, secret) != query.Get("X-Amz-Signature") {
		return errors.New("the signature is wrong")
	}
	return nil
}

// listen serves over TLS until the test ends. Clients that have the roots trust it.
func (c *elastiCache) listen() (addr string, roots *x509.CertPool) {
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	roots = x509.NewCertPool()
	roots.AddCert(web.Certificate())
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12})
	if err != nil {
		c.t.Fatal(err)
	}
	c.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.running.Go(func() { c.serve(conn) })
		}
	})
	c.t.Cleanup(func() {
		l.Close()
		c.running.Wait()
	})
	return l.Addr().String(), roots
}

// Dial connects to the server through memory.
func (c *elastiCache) Dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	c.running.Go(func() { c.serve(far) })
	return socket{near}, nil
}

// session is a connection at the server.
type session struct {
	server *elastiCache
	conn   net.Conn
	since  time.Time   // its last authentication
	end    *time.Timer // of its life

	mu sync.Mutex // one writes at a time
}

func (c *elastiCache) serve(conn net.Conn) {
	s := &session{server: c, conn: conn}
	defer func() {
		_ = conn.Close()
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.ears, s)
		if s.end != nil {
			s.end.Stop()
			c.oldest = max(c.oldest, time.Since(s.since))
		}
	}()
	for r := bufio.NewReader(conn); ; {
		command, err := readCommand(r)
		if err != nil || s.write(s.do(command)) != nil {
			return
		}
	}
}

func readCommand(r *bufio.Reader) ([]string, error) {
	number := func() (int, error) { // of a line such as *3 or $4
		line, err := r.ReadString('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number()
	if err != nil {
		return nil, err
	}
	command := make([]string, n)
	for i := range command {
		size, err := number()
		if err != nil {
			return nil, err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(r, word); err != nil {
			return nil, err
		}
		command[i] = string(word[:size])
	}
	return command, nil
}

func (s *session) write(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := io.WriteString(s.conn, text)
	return err
}

func (s *session) do(command []string) string {
	s.server.mu.Lock()
	s.server.commands++
	s.server.mu.Unlock()
	name := strings.ToLower(command[0])
	switch {
	case name == "hello" && len(command) == 5 && strings.EqualFold(command[2], "auth"):
		if !s.authenticate(command[3], command[4]) {
			return "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
		}
		return "*0\r\n"
	case name == "auth" && len(command) == 3:
		if !s.authenticate(command[1], command[2]) {
			return "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
		}
		return "+OK\r\n"
	case s.end == nil:
		return "-NOAUTH Authentication required.\r\n"
	case name == "ping":
		return "+PONG\r\n"
	case name == "subscribe":
		s.server.mu.Lock()
		s.server.ears[s] = true
		s.server.mu.Unlock()
		return fmt.Sprintf("*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n", len(command[1]), command[1])
	case name == "xreadgroup":
		block, _ := strconv.Atoi(command[slices.Index(command, "block")+1])
		time.Sleep(time.Duration(block) * time.Millisecond) // nothing has come
		return "*-1\r\n"
	}
	return "+OK\r\n"
}

func (s *session) authenticate(user, token string) bool {
	err := s.server.check(user, token)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if err != nil {
		s.server.refused = append(s.server.refused, err)
		return false
	}
	s.server.taken = append(s.server.taken, token)
	s.since = time.Now()
	if s.end != nil {
		s.end.Stop()
	}
	s.end = time.AfterFunc(connLife, func() {
		s.server.mu.Lock()
		s.server.cuts++
		s.server.mu.Unlock()
		_ = s.conn.Close()
	})
	return true
}

// publish says something to all that listen, and returns their number.
func (c *elastiCache) publish(payload string) int {
	c.mu.Lock()
	ears := make([]*session, 0, len(c.ears))
	for s := range c.ears {
		ears = append(ears, s)
	}
	c.mu.Unlock()
	n := 0
	for _, s := range ears {
		if s.write(fmt.Sprintf("*3\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n$%d\r\n%s\r\n", len(payload), payload)) == nil {
			n++
		}
	}
	return n
}

// tally is what a server has seen.
type tally struct {
	taken, tokens, refused int           // authentications, the tokens they had, and those refused
	cuts                   int           // connections that were ended for their age
	oldest                 time.Duration // what a connection that has ended had reached
	commands               int
}

func (c *elastiCache) tally() tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	different := map[string]bool{}
	for _, token := range c.taken {
		different[token] = true
	}
	return tally{len(c.taken), len(different), len(c.refused), c.cuts, c.oldest, c.commands}
}

// What the other tests rely on: the server does look at a token.
func TestTheServerRefusesBadTokens(t *testing.T) {
	t.Parallel()
	a := newAccount()
	good := func(s Settings) string {
		_, token, err := a.tokens(s).credentials(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	a.now = time.Now()
	ours := Settings{User: "photofinish", CacheName: "My-Cache"}
	resigned := func(token, old, with string) string {
		if !strings.Contains(token, old) {
			t.Fatalf("%s is not in %s", old, token)
		}
		token = strings.Replace(token, old, with, 1)
		return strings.Replace(token, field(t, token, "X-Amz-Signature"), signature(t, token, secretKey), 1)
	}
	c := newElastiCache(t)
	if err := c.check("photofinish", good(ours)); err != nil {
		t.Errorf("a good token: %v", err)
	}
	if err := c.check("photofinish", resigned(good(ours), "Expires=900", "Expires=60")); err != nil {
		t.Errorf("a good token that is signed here: %v", err)
	}
	for name, token := range map[string]string{
		"for another cache":          good(Settings{User: "photofinish", CacheName: "other"}),
		"for a serverless cache":     good(Settings{User: "photofinish", CacheName: "my-cache", Serverless: true}),
		"of another user":            good(Settings{User: "other", CacheName: "my-cache"}),
		"for longer than 15 minutes": resigned(good(ours), "Expires=900", "Expires=901"),
		"with another action":        resigned(good(ours), "Action=connect", "Action=Connect"),
		"with a scheme":              "http://" + good(ours),
		"changed after it was made":  strings.Replace(good(ours), "Expires=900", "Expires=800", 1),
		"with an unsigned parameter": good(ours) + "&More=1",
		"empty":                      "",
		"a password":                 "secret",
	} {
		if err := c.check("photofinish", token); err == nil {
			t.Errorf("a token %s was taken", name)
		}
	}
	for name, change := range map[string]func(){
		"16 minutes old":         func() { a.now = time.Now().Add(-16 * time.Minute) },
		"from in a minute":       func() { a.now = time.Now().Add(time.Minute) },
		"of another key":         func() { a.creds.AccessKeyID = "AKIDOTHER" },
		"of a wrong secret":      func() { a.creds.SecretAccessKey = "other" },
		"for a different region": func() { a.region = "eu-west-1" },
	} {
		before := *a
		change()
		if err := c.check("photofinish", good(ours)); err == nil {
			t.Errorf("a token %s was taken", name)
		}
		*a = before
	}
}
