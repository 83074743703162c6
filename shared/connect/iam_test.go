package connect

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	keyID     = "AKIDEXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var noon = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// account is a place that credentials come from, and a clock.
type account struct {
	creds  aws.Credentials
	err    error
	region string
	now    time.Time
}

func (a *account) Retrieve(context.Context) (aws.Credentials, error) { return a.creds, a.err }

func (a *account) tokens(s Settings) *iamTokens {
	t := newIAMTokens(s)
	t.load = func(context.Context) (aws.Config, error) { return aws.Config{Region: a.region, Credentials: a}, nil }
	t.now = func() time.Time { return a.now }
	return t
}

func newAccount() *account {
	return &account{creds: aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secretKey}, region: "eu-central-1", now: noon}
}

// signature computes what signs a token, from the text of AWS Signature Version
// 4 and without the SDK.
func signature(t *testing.T, token, secret string) string {
	t.Helper()
	host, query, ok := strings.Cut(token, "/?")
	if !ok {
		t.Fatalf("%q has no query", token)
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	params.Del("X-Amz-Signature")
	// Here '+' would be a literal plus, so a space must be %20.
	canonical := strings.ReplaceAll(params.Encode(), "+", "%20")
	_, scope, _ := strings.Cut(params.Get("X-Amz-Credential"), "/")
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	request := strings.Join([]string{"GET", "/", canonical, "host:" + host, "", "host", hash("")}, "\n")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", params.Get("X-Amz-Date"), scope, hash(request)}, "\n")
	mac := func(key []byte, s string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(s))
		return h.Sum(nil)
	}
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text))
}

func field(t *testing.T, token, name string) string {
	t.Helper()
	u, err := url.Parse("http://" + token)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get(name)
}

func TestTokensAreThoseOfElastiCache(t *testing.T) {
	t.Parallel()
	const common = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-central-1%2Felasticache%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=900"
	for name, tt := range map[string]struct {
		settings Settings
		session  string
		want     string
	}{
		"a replication group, in lower case": {
			Settings{User: "photofinish", CacheName: "Photofinish"}, "",
			"photofinish/?Action=connect&User=photofinish&" + common + "&X-Amz-SignedHeaders=host&X-Amz-Signature=345e82015067e7dbb6a25dbd92e603a20da586a13e15fa5672a78325b73ca74d",
		},
		"serverless, with the credentials of a role": {
			Settings{User: "user", CacheName: "cache-1", Serverless: true}, "tok/en+=",
			"cache-1/?Action=connect&ResourceType=ServerlessCache&User=user&" + common + "&X-Amz-Security-Token=tok%2Fen%2B%3D&X-Amz-SignedHeaders=host&X-Amz-Signature=053a10770d9f9a5c1296752048284ce4ec1df6341b01e4324b39c134d4ede094",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAccount()
			a.creds.SessionToken = tt.session
			user, token, err := a.tokens(tt.settings).credentials(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, err := url.Parse("http://" + token)
			if err != nil {
				t.Fatal(err)
			}
			want, err := url.Parse("http://" + tt.want)
			if err != nil {
				t.Fatal(err)
			}
			if user != tt.settings.User || got.Host != want.Host || got.Path != "/" || got.Query().Encode() != want.Query().Encode() {
				t.Errorf("user %q, token\n%s\nwant\n%s", user, token, tt.want)
			}
			if sum := signature(t, token, secretKey); sum != field(t, token, "X-Amz-Signature") {
				t.Errorf("the signature is not %s", sum)
			}
		})
	}
}

func TestTokensAreRefreshedBeforeTheyExpire(t *testing.T) {
	t.Parallel()
	a := newAccount()
	tokens := a.tokens(Settings{User: "u", CacheName: "c"})
	mint := func() string {
		t.Helper()
		_, token, err := tokens.credentials(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	first := mint()
	// A connection is made at every second for an hour: its token is still good.
	minted := map[string]bool{}
	for range 3600 {
		a.now = a.now.Add(time.Second)
		token := mint()
		minted[token] = true
		made, err := time.Parse("20060102T150405Z", field(t, token, "X-Amz-Date"))
		if err != nil {
			t.Fatal(err)
		}
		if age := a.now.Sub(made); age > 14*time.Minute {
			t.Fatalf("a token of %v is used, it is good for 15m", age)
		}
	}
	if len(minted) > 6 || !minted[first] {
		t.Errorf("%d tokens in an hour, the first among them: %v", len(minted), minted[first])
	}
	// Credentials that were rotated sign the next token.
	a.creds = aws.Credentials{AccessKeyID: "AKIDROTATED", SecretAccessKey: "another", SessionToken: "session"}
	a.now = a.now.Add(tokenLife)
	token := mint()
	if !strings.HasPrefix(field(t, token, "X-Amz-Credential"), "AKIDROTATED/") || signature(t, token, "another") != field(t, token, "X-Amz-Signature") {
		t.Errorf("not signed with the new credentials: %s", token)
	}
}

func TestTokensThatCannotBeMade(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*account)
		cache  string
		want   string
	}{
		"no credentials": {func(a *account) { a.err = errors.New("no role") }, "c", "no role"},
		"no region":      {func(a *account) { a.region = "" }, "c", "AWS_REGION"},
		"a bad name":     {func(*account) {}, "a b", "invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAccount()
			a.creds.SessionToken = "session-token"
			tt.change(a)
			tokens := a.tokens(Settings{User: "the-user", CacheName: tt.cache, Password: "unused"})
			user, token, err := tokens.credentials(t.Context())
			if err == nil || user != "" || token != "" {
				t.Fatalf("%q, %q, %v, want an error alone", user, token, err)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "the-user") {
				t.Errorf("%v, want …%q… and the user", err, tt.want)
			}
			for _, hidden := range []string{secretKey, "session-token", "unused", "X-Amz-Signature"} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("the error has %q in it: %v", hidden, err)
				}
			}
			// What failed once is tried again.
			a.err, a.region, tokens.settings.CacheName = nil, "eu-central-1", "c"
			if _, _, err := tokens.credentials(t.Context()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestAnExpiredTokenIsNotUsedWhereNoneCanBeMade(t *testing.T) {
	t.Parallel()
	a := newAccount()
	tokens := a.tokens(Settings{User: "u", CacheName: "c"})
	if _, _, err := tokens.credentials(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.now, a.err = a.now.Add(tokenLife), errors.New("no role")
	if _, token, err := tokens.credentials(t.Context()); err == nil || token != "" {
		t.Errorf("token %q, %v", token, err)
	}
}

func TestConnectionsMadeAtOnceShareAToken(t *testing.T) {
	t.Parallel()
	tokens := newAccount().tokens(Settings{User: "u", CacheName: "c"})
	var mu sync.Mutex
	seen := map[string]bool{}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			_, token, err := tokens.credentials(t.Context())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			seen[token] = true
		})
	}
	all.Wait()
	if len(seen) != 1 {
		t.Errorf("%d tokens", len(seen))
	}
}
