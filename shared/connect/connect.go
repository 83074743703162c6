// Package connect opens the Redis client that the environment asks for: a single
// server or a cluster, plain or TLS, without credentials, with those of an ACL
// user, or with tokens of IAM as ElastiCache takes them.
package connect

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"photofinish/shared/config"
)

// Settings are the variables that say where Redis is.
type Settings struct {
	Addr     string `env:"REDIS_ADDR,required,notEmpty"`
	TLS      bool   `env:"REDIS_TLS"`
	Cluster  bool   `env:"REDIS_CLUSTER"`
	Auth     string `env:"REDIS_AUTH" envDefault:"none"`
	User     string `env:"REDIS_USER"`
	Password string `env:"REDIS_PASSWORD"`
	// CacheName is the name of the replication group or serverless cache that
	// IAM tokens are made for.
	CacheName  string `env:"REDIS_CACHE_NAME"`
	Serverless bool   `env:"REDIS_SERVERLESS"`
}

// The timeouts of one attempt. What a command may take with all its attempts is
// patience.
const (
	dialTimeout = 2 * time.Second
	readTimeout = 3 * time.Second
	// ElastiCache ends a connection 12 hours after IAM has authenticated it, even
	// in the midst of a command. So the pool replaces each of them before, not all
	// at once: between 10.5 and 11.5 hours, when it is next taken from the pool. A
	// command that waits holds its connection longer by what it waits.
	iamConnLifetime = 11 * time.Hour
	iamConnJitter   = 30 * time.Minute
)

// FromEnvironment opens the client that the variables of Settings ask for, given
// as NAME=value, such as by os.Environ. The pool is that of Open.
func FromEnvironment(environ []string, pool int) (redis.UniversalClient, error) {
	s, err := config.Load[Settings](environ)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return Open(s, pool)
}

// Open makes the client. It connects when it is first used. The pool is how many
// connections it may have to one server, 0 for the client's default.
//
// A command that fails because Redis is away is tried again for some 3 seconds,
// and ends within 5 in any case: so a failover or a migration of slots that takes
// a moment is not noticed, and a longer one is reported while a function still
// has the time to say so. A command that waits for something by itself, such as
// XREADGROUP with BLOCK, takes that time in addition, and is bounded by its
// context alone.
//
// It silences the client's own log, which is plain text among lines of JSON; what
// it says comes with the errors as well.
func Open(s Settings, pool int) (redis.UniversalClient, error) {
	o, err := options(s, pool)
	if err != nil {
		return nil, err
	}
	return client(o), nil
}

func options(s Settings, pool int) (*redis.UniversalOptions, error) {
	o := &redis.UniversalOptions{
		Addrs:                 strings.Split(s.Addr, ","),
		IsClusterMode:         s.Cluster,
		DialTimeout:           dialTimeout,
		DialerRetries:         1, // each retry of a command dials anew
		ReadTimeout:           readTimeout,
		WriteTimeout:          readTimeout,
		MinRetryBackoff:       minBackoff,
		MaxRetryBackoff:       maxBackoff,
		ContextTimeoutEnabled: true,
		PoolSize:              pool,
		Protocol:              2,
		DisableIdentity:       true, // saves a round trip a connection
		// They need protocol 3; unless disabled, making a client looks its host up.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	for i, addr := range o.Addrs {
		if !validAddr(addr) { // not repeated: a URL has the password in it
			return nil, fmt.Errorf("connect: REDIS_ADDR: address %d is not host:port, without a scheme, a user or a password", i+1)
		}
	}
	if len(o.Addrs) > 1 && !s.Cluster {
		return nil, errors.New("connect: REDIS_ADDR: several addresses need REDIS_CLUSTER=true")
	}
	if s.TLS {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	switch s.Auth {
	case "none":
		if s.User != "" || s.Password != "" {
			return nil, errors.New("connect: REDIS_AUTH: REDIS_USER or REDIS_PASSWORD is set, which need REDIS_AUTH=password or iam")
		}
	case "password":
		if s.Password == "" {
			return nil, errors.New("connect: REDIS_PASSWORD: is needed with REDIS_AUTH=password")
		}
		o.Username, o.Password = s.User, s.Password
	case "iam":
		if s.User == "" || s.CacheName == "" || !s.TLS {
			return nil, errors.New("connect: REDIS_AUTH: iam needs REDIS_USER, REDIS_CACHE_NAME and REDIS_TLS=true")
		}
		o.CredentialsProviderContext = newIAMTokens(s).credentials
		o.ConnMaxLifetime, o.ConnMaxLifetimeJitter = iamConnLifetime, iamConnJitter
	default:
		return nil, fmt.Errorf("connect: REDIS_AUTH: %q is not none, password or iam", s.Auth)
	}
	return o, nil
}

func validAddr(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || strings.ContainsAny(host, " \t/@") {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}
