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
	tokenLife    = 15 * time.Minute
	tokenRefresh = tokenLife - 3*time.Minute
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

	mu     sync.Mutex
	aws    *aws.Config
	token  string
	minted time.Time
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
	if t.token == "" || t.now().Sub(t.minted) >= tokenRefresh {
		if err := t.mint(ctx); err != nil {
			return "", "", fmt.Errorf("connect: IAM token for user %s: %w", t.settings.User, err)
		}
	}
	return t.settings.User, t.token, nil
}

func (t *iamTokens) mint(ctx context.Context) error {
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
	now := t.now()
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, creds, req, emptyBody, "elasticache", t.aws.Region, now.UTC())
	if err != nil {
		return err
	}
	t.token, t.minted = strings.TrimPrefix(signed, "http://"), now
	return nil
}
