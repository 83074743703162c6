package connect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
)

const (
	// An IAM token of ElastiCache is good for 15 minutes.
	tokenLife = 15 * time.Minute
	// A connection that is made later than that after the token gets a new one.
	tokenRefresh = tokenLife - 3*time.Minute
	// tokenMargin is left of a token, or of the credentials that have signed it,
	// when it is last used: for the way to the server, and for clocks that differ.
	tokenMargin = time.Minute
	// SHA-256 of the empty body that the presigned request has.
	emptyBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

var errNoRegion = errors.New("AWS_REGION: is not set, and a token is made for a region")

// iamTokens makes the tokens that stand for a password, each a presigned
// request to connect, without its scheme.
type iamTokens struct {
	settings Settings
	load     func(context.Context) (aws.Config, error)
	now      func() time.Time

	mu      sync.Mutex
	aws     *aws.Config
	token   string
	minted  time.Time
	refresh time.Time // then a new one is made
	expires time.Time // then it is not used any more, even if none can be made
}

func newIAMTokens(s Settings) *iamTokens {
	return &iamTokens{
		settings: s,
		load:     func(ctx context.Context) (aws.Config, error) { return config.LoadDefaultConfig(ctx) },
		now:      time.Now,
	}
}

// credentials is called for each new connection.
func (t *iamTokens) credentials(ctx context.Context) (user, password string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// By the clock on the wall: the other one, which Go prefers, may stand still
	// while Lambda has frozen the environment. If it was set back, the token may be
	// of the future.
	now := t.now().Round(0)
	if t.token == "" || !now.Before(t.refresh) || now.Before(t.minted) {
		err := t.mint(ctx, now)
		if err != nil && (!now.Before(t.expires) || now.Before(t.minted)) {
			return "", "", fmt.Errorf("connect: IAM token for user %s: %w", t.settings.User, err)
		}
	}
	return t.settings.User, t.token, nil
}

func (t *iamTokens) mint(ctx context.Context, now time.Time) error {
	if t.aws == nil {
		c, err := t.load(ctx)
		if err != nil {
			return err
		}
		if c.Region == "" {
			return errNoRegion
		}
		t.aws = &c
	}
	creds, err := t.aws.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	query := url.Values{
		"Action":        {"connect"},
		"User":          {t.settings.User},
		"X-Amz-Expires": {fmt.Sprintf("%d", int(tokenLife.Seconds()))},
	}
	if t.settings.Serverless {
		query.Set("ResourceType", "ServerlessCache")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+strings.ToLower(t.settings.CacheName)+"/?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, creds, req, emptyBody, "elasticache", t.aws.Region, now.UTC())
	if err != nil {
		return err
	}
	t.token, t.minted = strings.TrimPrefix(signed, "http://"), now
	t.refresh, t.expires = now.Add(tokenRefresh), now.Add(tokenLife-tokenMargin)
	if creds.CanExpire { // a token is no good without the credentials that signed it
		end := creds.Expires.Add(-tokenMargin)
		t.refresh, t.expires = earlier(t.refresh, end), earlier(t.expires, end)
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
