package lambda

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// echo answers with what it understood of the request.
func echo(w *reply, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
	w.Header().Set("X-Path", r.URL.Path+"\r\nX-Injected: 1")
	_, _ = fmt.Fprintf(w, "%s %d %s", r.Method, len(body), r.Trailer.Get("X-Trailer"))
	_, _ = io.WriteString(w, "!") // a second piece
}

func TestRuntimeServerSpeaksHTTP(t *testing.T) {
	t.Parallel()
	s, err := newRuntimeServer(echo)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	type answer struct {
		status int
		body   string
	}
	tests := map[string]struct {
		send   string
		want   []answer
		closed bool // by the server
	}{
		"one request":         {"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", []answer{{200, "GET 0 !"}}, false},
		"body with a length":  {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", []answer{{200, "POST 5 !"}}, false},
		"chunks and trailer":  {"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Trailer\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n", []answer{{200, "POST 5 t!"}}, false},
		"one after the other": {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1GET /b HTTP/1.1\r\nHost: x\r\n\r\n", []answer{{200, "POST 1 !"}, {200, "GET 0 !"}}, false},
		"expects a continue":  {"POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab", []answer{{100, ""}, {200, "POST 2 !"}}, false},
		"asks to close":       {"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []answer{{200, "GET 0 !"}}, true},
		"HTTP/1.0":            {"GET /a HTTP/1.0\r\n\r\n", []answer{{200, "GET 0 !"}}, true},
		"no HTTP":             {"hello\r\n\r\n", []answer{{400, ""}}, true},
		"endless header":      {"GET /a HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 3<<20), []answer{{431, ""}}, true},
		"largest header":      {"GET /a HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 2<<20-100) + "\r\n\r\n", []answer{{200, "GET 0 !"}}, false},
		"nothing":             {"", nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", s.addr())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				_, _ = io.WriteString(conn, tt.send) // the server may not want all of it
			}()
			in := bufio.NewReader(conn)
			var got []answer
			for range tt.want {
				response, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(response.Body)
				if err != nil {
					t.Fatal(err)
				}
				if response.Header.Get("X-Injected") != "" {
					t.Error("a value became a header of its own")
				}
				if closes := response.Close; closes != tt.closed {
					t.Errorf("announces its end: %t", closes)
				}
				got = append(got, answer{response.StatusCode, string(b)})
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(answer{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if tt.closed {
				if _, err := in.ReadByte(); err == nil {
					t.Error("the connection goes on")
				}
			}
			<-sent
		})
	}
}

func TestRuntimeServerCloses(t *testing.T) {
	before := runtime.NumGoroutine()
	waits := make(chan struct{})
	var s *runtimeServer
	s, err := newRuntimeServer(func(w *reply, _ *http.Request) {
		close(waits)
		<-s.done
		w.drop()
	})
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	for range 3 { // two of them idle
		c, err := net.Dial("tcp", s.addr())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	if _, err := io.WriteString(conns[0], "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-waits
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range conns {
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes from a closed server", n)
		}
		_ = c.Close()
	}
	eventually(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= before })
}
