package connect

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	keyID     = "AKIDEXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	amzDate   = "20060102T150405Z"
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

// The tokens of testdata were made without the SDK: see tokens.py there.
func TestTokensAreThoseOnRecord(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/tokens.json")
	if err != nil {
		t.Fatal(err)
	}
	var records []struct {
		Name, Cache, User, Session, Region, Time, Token string
		Serverless                                      bool
	}
	if err := json.Unmarshal(text, &records); err != nil || len(records) < 3 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for _, r := range records {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			a := newAccount()
			a.creds.SessionToken, a.region = r.Session, r.Region
			if a.now, err = time.Parse(amzDate, r.Time); err != nil {
				t.Fatal(err)
			}
			s := Settings{User: r.User, CacheName: r.Cache, Serverless: r.Serverless}
			user, token, err := a.tokens(s).credentials(t.Context())
			if err != nil || user != r.User || token != r.Token {
				t.Errorf("user %q, %v, token\n%s\nwant\n%s", user, err, token, r.Token)
			}
			if sum := signature(t, r.Token, secretKey); sum != field(t, r.Token, "X-Amz-Signature") {
				t.Errorf("the test itself would sign with %s", sum)
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
		made, err := time.Parse(amzDate, field(t, token, "X-Amz-Date"))
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

// A token is used for as long as it is good where no new one can be made, and no
// longer.
func TestATokenThatCannotBeReplaced(t *testing.T) {
	t.Parallel()
	a := newAccount()
	tokens := a.tokens(Settings{User: "u", CacheName: "c"})
	_, first, err := tokens.credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.now, a.err = a.now.Add(tokenRefresh), errors.New("no role")
	if _, token, err := tokens.credentials(t.Context()); err != nil || token != first {
		t.Errorf("while it is good: token %q, %v", token, err)
	}
	a.now = a.now.Add(tokenLife - tokenRefresh - tokenMargin)
	if _, token, err := tokens.credentials(t.Context()); err == nil || token != "" {
		t.Errorf("afterwards: token %q, %v", token, err)
	}
	a.err = nil
	if _, token, err := tokens.credentials(t.Context()); err != nil || token == first {
		t.Errorf("when one can be made again: token %q, %v", token, err)
	}
}

// Credentials that end before the token would end it.
func TestATokenEndsWithTheCredentialsThatSignedIt(t *testing.T) {
	t.Parallel()
	a := newAccount()
	a.creds.CanExpire, a.creds.Expires = true, a.now.Add(5*time.Minute)
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
	a.now = a.now.Add(4*time.Minute - time.Second)
	if mint() != first {
		t.Error("another token, although its credentials are good for a minute")
	}
	a.now = a.now.Add(time.Second)
	a.creds = aws.Credentials{AccessKeyID: "AKIDROTATED", SecretAccessKey: "another"}
	if token := mint(); field(t, token, "X-Amz-Signature") != signature(t, token, "another") {
		t.Error("the token is of credentials that end within the minute")
	}
}

// A clock that was ahead is set right: the token is of the future, which
// ElastiCache would refuse.
func TestATokenOfTheFutureIsReplaced(t *testing.T) {
	t.Parallel()
	a := newAccount()
	tokens := a.tokens(Settings{User: "u", CacheName: "c"})
	a.now = noon.Add(time.Hour)
	if _, _, err := tokens.credentials(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.now = noon
	if _, token, err := tokens.credentials(t.Context()); err != nil || field(t, token, "X-Amz-Date") != noon.Format(amzDate) {
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
