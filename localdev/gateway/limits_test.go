package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"photofinish/localdev/gateway"
)

const tooLarge = `{"message":"Request Entity Too Large"}`

func refusingToRun(t *testing.T) invokeFunc {
	return func(context.Context, string, []byte) (gateway.Result, error) {
		t.Error("the function was invoked")
		return gateway.Result{}, nil
	}
}

func TestBodyOverLimit(t *testing.T) {
	t.Parallel()
	srv := serve(t, gateway.Config{Routes: parse("POST /"), Invoke: refusingToRun(t)})
	body := make([]byte, gateway.MaxBody+1)
	t.Run("declared", func(t *testing.T) {
		resp, got := do(t, "POST", srv.URL, http.Header{"Expect": {"100-continue"}}, bytes.NewReader(body))
		wantError(t, resp, got, 413, tooLarge)
	})
	t.Run("chunked", func(t *testing.T) {
		resp, got := do(t, "POST", srv.URL, nil, io.MultiReader(bytes.NewReader(body)))
		wantError(t, resp, got, 413, tooLarge)
	})
}

// TestEventOverLimit: the limit of the event bites long before that of the
// body, the earlier if base64 makes the body a third larger.
func TestEventOverLimit(t *testing.T) {
	t.Parallel()
	text := http.Header{"Content-Type": {"text/plain"}}
	size := func(_ context.Context, _ string, event []byte) (gateway.Result, error) {
		payload, err := json.Marshal(len(event))
		return gateway.Result{Payload: payload}, err
	}
	srv := serve(t, gateway.Config{Routes: parse("POST /"), Invoke: size})
	tests := []struct {
		name   string
		header http.Header
		size   int
		status int
	}{
		{"text that fits", text, 6_280_000, 200},
		{"text that does not", text, gateway.MaxEvent, 413},
		{"bytes that fit", nil, 4_700_000, 200},
		{"bytes that do not", nil, 4_720_000, 413},
		{"the largest body", nil, gateway.MaxBody, 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := do(t, "POST", srv.URL, tt.header, strings.NewReader(strings.Repeat("x", tt.size)))
			if tt.status == 413 {
				wantError(t, resp, body, 413, tooLarge)
			} else if resp.StatusCode != 200 {
				t.Errorf("got %d %s", resp.StatusCode, body)
			}
		})
	}
}

func TestHeadersOverLimit(t *testing.T) {
	t.Parallel()
	srv := serve(t, gateway.Config{Routes: parse("ANY /{p+}"), Invoke: returning(`{"statusCode":200}`)})
	host := strings.TrimPrefix(srv.URL, "http://")
	// what the client sends besides the padding
	base := len("GET /a HTTP/1.1") + len(host) + len("gzip") + len("x")
	send := func(padding int) (*http.Response, string) {
		return do(t, "GET", srv.URL+"/a", http.Header{"User-Agent": {"x"}, "X-Padding": {strings.Repeat("p", padding)}}, nil)
	}
	if resp, body := send(gateway.MaxHeaders - base); resp.StatusCode != 200 {
		t.Errorf("at the limit: %d %s", resp.StatusCode, body)
	}
	resp, body := send(gateway.MaxHeaders - base + 1)
	wantError(t, resp, body, 431, `{"message":"Request Header Fields Too Large"}`)
	resp, body = do(t, "GET", srv.URL+"/"+strings.Repeat("p", gateway.MaxHeaders), nil, nil)
	wantError(t, resp, body, 431, `{"message":"Request Header Fields Too Large"}`)
}
