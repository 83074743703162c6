package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"photofinish/shared/httpapi"
)

func TestFail(t *testing.T) {
	t.Parallel()
	r := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		httpapi.Fail(w, http.StatusBadRequest, "items[0].id", "%s", `100% <b>"é"`)
	}), event(http.MethodGet, "/", "", nil, ""))
	if p := problem(t, r, http.StatusBadRequest, "items[0].id"); p.Detail != `100% <b>"é"` {
		t.Errorf("detail %q", p.Detail)
	}
	r = serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		httpapi.Fail(w, http.StatusNotFound, "", "gone")
	}), event(http.MethodGet, "/", "", nil, ""))
	if want := `{"type":"about:blank","title":"Not Found","status":404,"detail":"gone"}` + "\n"; r.Body != want {
		t.Errorf("%s, want %s", r.Body, want)
	}
}

func TestJSONThatCannotBeMade(t *testing.T) {
	t.Parallel()
	r := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		httpapi.JSON(w, http.StatusOK, func() {})
	}), event(http.MethodGet, "/", "", nil, ""))
	if r.StatusCode != http.StatusInternalServerError {
		t.Errorf("%d %s", r.StatusCode, r.Body)
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	const limit = 100
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, ok := httpapi.Body(w, r, limit); ok {
			httpapi.JSON(w, http.StatusOK, len(body))
		}
	})
	for name, tt := range map[string]struct {
		contentType string
		size        int
		status      int
		field       string
	}{
		"JSON":                 {"application/json", 10, 200, ""},
		"with a charset":       {"application/json; charset=UTF-8", 10, 200, ""},
		"in another case":      {"Application/JSON", 10, 200, ""},
		"a kind of JSON":       {"application/vnd.order+json", 10, 200, ""},
		"none":                 {"", 10, 415, "Content-Type"},
		"text":                 {"text/plain", 10, 415, "Content-Type"},
		"a form":               {"application/x-www-form-urlencoded", 10, 415, "Content-Type"},
		"nearly":               {"application/jsonp", 10, 415, "Content-Type"},
		"twice":                {"application/json, application/json", 10, 415, "Content-Type"},
		"nonsense":             {"application/json;;=", 10, 415, "Content-Type"},
		"another charset":      {"application/json; charset=utf-16", 10, 415, "Content-Type"},
		"empty":                {"application/json", 0, 200, ""},
		"the largest":          {"application/json", limit, 200, ""},
		"one byte more":        {"application/json", limit + 1, 413, ""},
		"very large":           {"application/json", 6 << 20, 413, ""},
		"large and not JSON":   {"text/plain", limit + 1, 415, "Content-Type"},
		"a parameter is twice": {"application/json; charset=utf-8; charset=utf-16", 10, 415, "Content-Type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			headers := map[string]string{"content-type": tt.contentType}
			if tt.contentType == "" {
				headers = nil
			}
			r := serve(t, h, event(http.MethodPost, "/", "", headers, strings.Repeat("x", tt.size)))
			if tt.status != http.StatusOK {
				problem(t, r, tt.status, tt.field)
				return
			}
			if r.StatusCode != http.StatusOK || r.Body != fmt.Sprintln(tt.size) {
				t.Errorf("%d %s, want %d bytes", r.StatusCode, r.Body, tt.size)
			}
		})
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	valid := func(s string) bool { return s != "" && s != "bad" }
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if key, ok := httpapi.IdempotencyKey(w, r, valid, "must be good"); ok {
			httpapi.JSON(w, http.StatusOK, key)
		}
	})
	for name, tt := range map[string]struct {
		header, value string
		want          string // or "400"
	}{
		"none":              {"x", "y", ""},
		"plain":             {"idempotency-key", "abc", "abc"},
		"another case":      {"Idempotency-KEY", "abc", "abc"},
		"in quotes":         {"idempotency-key", `"abc"`, "abc"},
		"empty":             {"idempotency-key", "", "400"},
		"empty quotes":      {"idempotency-key", `""`, "400"},
		"one quote":         {"idempotency-key", `"`, `"`},
		"refused":           {"idempotency-key", "bad", "400"},
		"refused in quotes": {"idempotency-key", `"bad"`, "400"},
		"given twice":       {"idempotency-key", "abc,def", "400"},
		"twice the same":    {"idempotency-key", "abc,abc", "400"},
		"a comma in it":     {"idempotency-key", `"a,b"`, "400"},
		"a comma at an end": {"idempotency-key", "abc,", "400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serve(t, h, event(http.MethodPost, "/", "", map[string]string{tt.header: tt.value}, ""))
			if tt.want == "400" {
				if p := problem(t, r, http.StatusBadRequest, "Idempotency-Key"); p.Detail != "must be good" {
					t.Errorf("detail %q", p.Detail)
				}
				return
			}
			if r.StatusCode != http.StatusOK || r.Body != fmt.Sprintf("%q\n", tt.want) {
				t.Errorf("%d %s, want %q", r.StatusCode, r.Body, tt.want)
			}
		})
	}
}

// replyError is an error that Redis answered with.
type replyError string

func (e replyError) Error() string { return string(e) }
func (replyError) RedisError()     {}

func TestFailRedis(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err    error
		status int
	}{
		"refused":           {&net.OpError{Op: "dial", Err: errors.New("10.0.0.7:6379 refused")}, 503},
		"too late":          {fmt.Errorf("claim: place: %w", context.DeadlineExceeded), 503},
		"cut off":           {io.EOF, 503},
		"full":              {replyError("OOM command not allowed when used memory > 'maxmemory'."), 503},
		"full, in a script": {fmt.Errorf("claim: place: %w", replyError("ERR OOM command not allowed script: 1f")), 503},
		"a replica":         {replyError("READONLY You can't write against a read only replica."), 503},
		"loading":           {replyError("LOADING Redis is loading the dataset in memory"), 503},
		"cannot save":       {replyError("MISCONF Redis is configured to save RDB snapshots"), 503},
		"of another type":   {replyError("WRONGTYPE Operation against a key 10.0.0.7"), 500},
		"a broken script":   {replyError("ERR user_script:12: attempt to index 10.0.0.7"), 500},
		"not allowed":       {replyError("NOPERM this user has no permissions"), 500},
		"a wrong password":  {replyError("WRONGPASS invalid username-password pair"), 500},
		"too few replicas":  {replyError("NOREPLICAS Not enough good replicas to write."), 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			log := slog.New(slog.NewJSONHandler(&out, nil))
			r := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				httpapi.FailRedis(w, r, log, tt.err)
			}), event(http.MethodGet, "/orders/29", "", nil, ""))
			problem(t, r, tt.status, "")
			if retry := r.Headers["Retry-After"]; (retry == "1") != (tt.status == http.StatusServiceUnavailable) {
				t.Errorf("Retry-After %q with %d", retry, tt.status)
			}
			for _, internal := range []string{"10.0.0.7", "claim:", "script", "WRONG", "NOPERM", "OOM", "context"} {
				if strings.Contains(r.Body, internal) {
					t.Errorf("internal text in the answer: %s", r.Body)
				}
			}
			if strings.Count(out.String(), "\n") != 1 || !strings.Contains(out.String(), fmt.Sprintf("%q", tt.err.Error())) {
				t.Errorf("logged %q, want one line with the error", out.String())
			}
		})
	}
}
