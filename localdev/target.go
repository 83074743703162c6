package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/spf13/cobra"

	"photofinish/shared/connect"
)

// redisTarget says which Redis a command looks at.
type redisTarget struct {
	url     string
	cluster bool
	fromEnv bool
}

// redisHelp is for the long help of a command that has these flags.
const redisHelp = `Which Redis: --redis takes HOST:PORT, several with commas for a cluster, or a URL,

  redis://[user[:password]@]host[:port][/database][?cluster=true]
  rediss://…  with TLS        redis+cluster://…, rediss+cluster://…  a cluster

with the further options of go-redis as a query. A password that the URL does not
have is taken from REDIS_PASSWORD, and the user from REDIS_USER, so that neither
has to be on a command line. --from-env connects like the functions: REDIS_ADDR,
REDIS_TLS, REDIS_CLUSTER, REDIS_AUTH and so on, IAM included. Without both it is
the Redis of the emulator that is up in this folder, else that of the environment
if REDIS_ADDR is set. A cluster is recognised where Redis says that it is one.`

func (f *redisTarget) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.url, "redis", "", "HOST:PORT or URL; without it, the Redis of the emulator that is up in this folder")
	cmd.Flags().BoolVar(&f.cluster, "cluster", false, "the Redis is a cluster")
	cmd.Flags().BoolVar(&f.fromEnv, "from-env", false, "the Redis of the variables that the functions have, such as REDIS_ADDR")
	cmd.MarkFlagsMutuallyExclusive("redis", "from-env")
}

// open gives a client, and the name of what it is connected to.
func (f *redisTarget) open(cmd *cobra.Command) (rdb redis.UniversalClient, name string, err error) {
	if f.url == "" && cmd.Flags().Changed("redis") {
		return nil, "", errors.New("--redis: is empty; leave it out for the Redis of the emulator")
	}
	if f.url != "" {
		t, err := parseTarget(f.url)
		if err != nil {
			return nil, "", err
		}
		t.fill(os.Getenv("REDIS_USER"), os.Getenv("REDIS_PASSWORD"))
		if cmd.Flags().Changed("cluster") {
			t.cluster, t.certain = f.cluster, true
		}
		rdb, err := t.open(cmd.Context())
		return rdb, t.name, err
	}
	if !f.fromEnv {
		s, err := recall(stateDir("."))
		if err == nil {
			t := &target{name: s.Redis, options: &redis.Options{Addr: s.Redis}, certain: true}
			rdb, err := t.open(cmd.Context())
			return rdb, s.Redis, err
		}
		if !errors.Is(err, errNotUp) || os.Getenv("REDIS_ADDR") == "" {
			return nil, "", fmt.Errorf("%w: name a Redis with --redis, or set REDIS_ADDR", err)
		}
	}
	environ := os.Environ()
	if f.cluster {
		environ = append(environ, "REDIS_CLUSTER=true")
	}
	rdb, err = connect.FromEnvironment(environ, 0)
	return rdb, os.Getenv("REDIS_ADDR"), err
}

// target is a Redis that was named on the command line.
type target struct {
	name    string // to be shown: without user and password
	options *redis.Options
	more    []string // further addresses of a cluster
	cluster bool
	certain bool // whether it is a cluster; else the server is asked
}

// parseTarget reads HOST:PORT or a URL. No error of it repeats a user or password.
func parseTarget(text string) (*target, error) {
	if !strings.Contains(text, "://") {
		addrs := strings.Split(text, ",")
		for _, addr := range addrs {
			host, port, err := net.SplitHostPort(addr)
			if n, numErr := strconv.ParseUint(port, 10, 16); err != nil || host == "" || numErr != nil || n == 0 || strings.Contains(host, "@") {
				return nil, errors.New("--redis: is neither HOST:PORT nor a URL such as redis://user@host:6379")
			}
		}
		return &target{
			name: text, options: &redis.Options{Addr: addrs[0]}, more: addrs[1:],
			cluster: len(addrs) > 1, certain: len(addrs) > 1,
		}, nil
	}
	u, err := url.Parse(text)
	if err != nil || strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") { // what is before an @ may be of a password
		return nil, errors.New("--redis: is no valid URL (characters such as @ : / ? # % in a password have to be percent-encoded; REDIS_PASSWORD takes any)")
	}
	t := &target{}
	scheme, isCluster := strings.CutSuffix(u.Scheme, "+cluster")
	u.Scheme, t.cluster, t.certain = scheme, isCluster, isCluster
	if scheme != "redis" && scheme != "rediss" && (scheme != "unix" || isCluster) {
		return nil, errors.New("--redis: the URL has to begin with redis://, rediss://, redis+cluster://, rediss+cluster:// or unix://")
	}
	query := u.Query()
	if text := query.Get("cluster"); query.Has("cluster") {
		if t.cluster, err = strconv.ParseBool(text); err != nil {
			return nil, errors.New("--redis: cluster= has to be true or false")
		}
		t.certain = true
	}
	t.more = query["addr"]
	query.Del("cluster")
	query.Del("addr")
	if len(t.more) > 0 {
		t.cluster, t.certain = true, true
	}
	user := u.User
	u.User, u.RawQuery = nil, query.Encode()
	if t.options, err = redis.ParseURL(u.String()); err != nil {
		return nil, fmt.Errorf("--redis: %w", err)
	}
	if t.cluster && t.options.DB != 0 {
		return nil, fmt.Errorf("--redis: a cluster has no database %d", t.options.DB)
	}
	t.name = strings.Join(append([]string{t.options.Addr}, t.more...), ",")
	t.options.Username = user.Username()
	t.options.Password, _ = user.Password()
	return t, nil
}

// fill adds what the URL does not have.
func (t *target) fill(user, password string) {
	if t.options.Password != "" || password == "" {
		return
	}
	t.options.Password = password
	if t.options.Username == "" {
		t.options.Username = user
	}
}

func (t *target) open(ctx context.Context) (redis.UniversalClient, error) {
	t.options.Protocol, t.options.DisableIdentity, t.options.DialerRetries = 2, true, 1
	t.options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	t.options.ContextTimeoutEnabled = true
	single := redis.NewClient(t.options)
	if !t.certain {
		info, err := single.Info(ctx, "cluster").Result()
		var reply redis.Error
		if err != nil && (!errors.As(err, &reply) || redis.HasErrorPrefix(err, "NOAUTH") || redis.HasErrorPrefix(err, "WRONGPASS")) {
			_ = single.Close()
			return nil, fmt.Errorf("redis %s: %w", t.name, err)
		}
		t.cluster = strings.Contains(info, "cluster_enabled:1")
	}
	if !t.cluster {
		return single, nil
	}
	_ = single.Close()
	o := t.options
	return redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: append([]string{o.Addr}, t.more...), Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, PoolSize: o.PoolSize,
		DialerRetries: 1, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true, MaintNotificationsConfig: o.MaintNotificationsConfig,
	}), nil
}
