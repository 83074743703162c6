package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"photofinish/localdev/gateway"
)

// dial opens a connection to talk to the server byte by byte.
func dial(t *testing.T, srv *httptest.Server) (net.Conn, *bufio.Reader) {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

func send(t *testing.T, conn io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, r *bufio.Reader, method string) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	srv := serve(t, gateway.Config{Routes: parse("$default"), Invoke: returning(`"ok"`)})
	tests := []struct {
		name, request string
		status        int
		body          string // "" for an answer of net/http's own
	}{
		{"not HTTP", "hello\r\n\r\n", 400, ""},
		{"bad escape in the path", "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400, ""},
		{"bad header name", "GET / HTTP/1.1\r\nHost: h\r\nA b: c\r\n\r\n", 400, ""},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400, ""},
		{"two lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, ""},
		{"bad chunk", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, `{"message":"Bad Request"}`},
		{"raw bytes in the path", "GET /\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n", 200, "ok"},
		{"bad escape in the query", "GET /?a=%zz HTTP/1.1\r\nHost: h\r\n\r\n", 200, "ok"},
		{"absolute target without a path", "GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", 200, "ok"},
		{"HTTP/1.0 without a host", "GET / HTTP/1.0\r\n\r\n", 200, "ok"},
		{"unknown method", "BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 200, "ok"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn, r := dial(t, srv)
			send(t, conn, tt.request)
			resp, body := receive(t, r, "GET")
			if resp.StatusCode != tt.status || tt.body != "" && body != tt.body {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, body, tt.status, tt.body)
			}
			if tt.body != "" {
				wantRequestID(t, resp)
			}
		})
	}
	if resp, body := do(t, "GET", srv.URL, nil, nil); resp.StatusCode != 200 || body != "ok" {
		t.Errorf("afterwards: %d %q", resp.StatusCode, body)
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	srv := serve(t, gateway.Config{Routes: parse("POST /a"), Invoke: echo})
	const head = "POST %s HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"

	conn, r := dial(t, srv)
	send(t, conn, fmt.Sprintf(head, "/a", 5))
	if resp, _ := receive(t, r, "POST"); resp.StatusCode != http.StatusContinue {
		t.Fatalf("got %d before the body", resp.StatusCode)
	}
	send(t, conn, "hello")
	resp, body := receive(t, r, "POST")
	if e := decode(t, []byte(body)); resp.StatusCode != 200 || e.Body != "hello" {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}

	// Refused before a byte of the body: the client need not send it.
	for path, want := range map[string]int{"/b": 404, "/a": 413} {
		conn, r := dial(t, srv)
		send(t, conn, fmt.Sprintf(head, path, gateway.MaxBody+1))
		if resp, body := receive(t, r, "POST"); resp.StatusCode != want {
			t.Errorf("%s: got %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestConnectionReuse(t *testing.T) {
	t.Parallel()
	srv := serve(t, gateway.Config{Routes: parse("ANY /a"), Invoke: returning(`{"statusCode":200,"body":"four"}`)})
	conn, r := dial(t, srv)
	for i, request := range []struct {
		head   string
		method string
		status int
		body   string
	}{
		{"HEAD /a HTTP/1.1", "HEAD", 200, ""},
		{"GET /b HTTP/1.1", "GET", 404, `{"message":"Not Found"}`},
		{"GET /a HTTP/1.1", "GET", 200, "four"},
	} {
		send(t, conn, request.head+"\r\nHost: h\r\n\r\n")
		resp, body := receive(t, r, request.method)
		if resp.StatusCode != request.status || body != request.body || resp.Header.Get("Connection") != "keep-alive" {
			t.Errorf("request %d: got %d %q %v", i, resp.StatusCode, body, resp.Header)
		}
	}
	send(t, conn, "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	resp, _ := receive(t, r, "GET")
	if _, err := r.ReadByte(); !resp.Close || err != io.EOF {
		t.Errorf("the server kept a connection the client wanted closed: %v, %v", resp.Header, err)
	}
}
