package redis

import (
	"context"
	"crypto/tls"
	"net"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// dial connects as o says, with TLS if it says so.
func dial(ctx context.Context, o *goredis.Options) (net.Conn, error) {
	if o.TLSConfig == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", o.Addr)
	}
	d := tls.Dialer{Config: o.TLSConfig}
	return d.DialContext(ctx, "tcp", o.Addr)
}

// newClient makes a client for a few commands over conn, which it closes. A
// client that dials by itself would print every failure to standard error, and
// a server that is not up yet is no failure here.
func newClient(o *goredis.Options, conn net.Conn) *goredis.Client {
	o.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
		if c := conn; c != nil {
			conn = nil
			return c, nil
		}
		return dial(ctx, o)
	}
	o.PoolSize = 1 // so that the dialer is not called by two at once
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return goredis.NewClient(o)
}
