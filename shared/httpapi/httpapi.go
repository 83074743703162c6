// Package httpapi is what the HTTP functions have in common: the way from an API
// Gateway event to a net/http handler, JSON answers, and errors in the form of
// RFC 9457.
package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"photofinish/shared/claim"
)

// Problem is an error as a client sees it.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Field is the path of the field, header or parameter that broke a rule.
	Field string `json:"field,omitempty"`
}

// Fail answers with a problem. It never carries the text of an internal error.
func Fail(w http.ResponseWriter, status int, field, format string, args ...any) {
	write(w, status, "application/problem+json", Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: fmt.Sprintf(format, args...), Field: field,
	})
}

// FailRedis answers an error of the engine, and logs it: 503 where Redis is away
// and the client may try again, else 500.
func FailRedis(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	if claim.Unavailable(err) {
		log.WarnContext(r.Context(), "redis is not available", "error", err)
		w.Header().Set("Retry-After", "1")
		Fail(w, http.StatusServiceUnavailable, "", "the store is not available just now; nothing was lost, repeat the request with the same id")
		return
	}
	log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	Fail(w, http.StatusInternalServerError, "", "the request could not be processed")
}

// JSON answers with a value.
func JSON(w http.ResponseWriter, status int, v any) { write(w, status, "application/json", v) }

func write(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"title":"Internal Server Error","status":500}`)
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the adapter's writer keeps it in memory
}

// Body reads a request's JSON body of at most limit bytes. Where it is not that,
// it answers and reports false.
func Body(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, bool) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
		Fail(w, http.StatusUnsupportedMediaType, "Content-Type", "must be application/json (with curl, use --json)")
		return nil, false
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		Fail(w, http.StatusUnsupportedMediaType, "Content-Type", "the charset must be utf-8")
		return nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		Fail(w, http.StatusRequestEntityTooLarge, "", "the body has more than %d bytes", limit)
		return nil, false
	}
	if err != nil {
		Fail(w, http.StatusBadRequest, "", "the body could not be read")
		return nil, false
	}
	return body, true
}

// IdempotencyKey reads the header of that name, "" where there is none. A key in
// double quotes, as the IETF draft writes it, is the text between them. Where it
// is not valid, it answers and reports false.
func IdempotencyKey(w http.ResponseWriter, r *http.Request, valid func(string) bool, rule string) (string, bool) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", true
	}
	key := values[0]
	if n := len(key); n >= 2 && key[0] == '"' && key[n-1] == '"' {
		key = key[1 : n-1]
	}
	if len(values) > 1 || !valid(key) {
		Fail(w, http.StatusBadRequest, "Idempotency-Key", "%s", rule)
		return "", false
	}
	return key, true
}

// Routes serves a mux, and answers with a problem what it has no route for: a
// mux would send plain text, or a redirect for a path such as /orders/.. that
// API Gateway had decoded.
func Routes(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" || path.Clean(r.URL.Path) != r.URL.Path {
			Fail(w, http.StatusNotFound, "", "there is nothing at this path, or not for this method")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// lastWords is the time kept back from the deadline of an invocation to answer
// in: killed instead, it could not say that Redis is away.
const lastWords = 500 * time.Millisecond

// Lambda makes a handler of HTTP API events, payload 2.0, of a net/http one.
func Lambda(h http.Handler, log *slog.Logger) func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	adapter := httpadapter.NewV2(recovered(h, log))
	garbled := httpadapter.NewV2(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		Fail(w, http.StatusBadRequest, "", "the body is not valid base64, as the event says that it is")
	}))
	return func(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		// The adapter makes an http.Request from the text of a URL. API Gateway
		// hands over the path decoded, so that "/a%3Fb" would become a query, and
		// "/a%25" would be no URL at all.
		decoded := e.RawPath
		if decoded == "" {
			decoded = e.RequestContext.HTTP.Path
		}
		e.RawPath = (&url.URL{Path: decoded}).EscapedPath()
		if e.IsBase64Encoded {
			if _, err := base64.StdEncoding.DecodeString(e.Body); err != nil {
				e.Body, e.IsBase64Encoded = "", false
				return garbled.ProxyWithContext(ctx, e)
			}
		}
		if deadline, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-lastWords))
			defer cancel()
		}
		return adapter.ProxyWithContext(ctx, e)
	}
}

// recovered answers 500 where a handler panics, so that one request cannot end
// the execution environment.
func recovered(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				log.ErrorContext(r.Context(), "handler panicked", "method", r.Method, "path", r.URL.Path, "panic", fmt.Sprint(v))
				Fail(w, http.StatusInternalServerError, "", "the request could not be processed")
			}
		}()
		h.ServeHTTP(w, r)
	})
}
