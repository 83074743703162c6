package gateway_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photofinish/localdev/gateway"
)

func TestInferPlainPayloads(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, payload, body string }{
		{"object without statusCode", `{"a":1}`, `{"a":1}`},
		{"key in another case", `{"statuscode":404,"StatusCode":404}`, `{"statuscode":404,"StatusCode":404}`},
		{"statusCode further down", `{"a":{"statusCode":404}}`, `{"a":{"statusCode":404}}`},
		{"array", `[{"statusCode":404}]`, `[{"statusCode":404}]`},
		{"number", `42`, `42`},
		{"true", `true`, `true`},
		{"string", `"hi \u2615"`, `hi ☕`},
		{"string with space around", " \"hi\"\n", `hi`},
		{"empty string", `""`, ``},
		{"half a string", `"hi`, `"hi`},
		{"half an object", `{"statusCode":404`, `{"statusCode":404`},
		{"not JSON", `<html>`, `<html>`},
		{"null", `null`, `null`},
		{"nothing", ``, `null`},
		{"white space", " \n", `null`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := gateway.Infer([]byte(tt.payload))
			if err != nil {
				t.Fatal(err)
			}
			got.Body = append([]byte{}, got.Body...) // nil and empty are the same here
			want := gateway.Response{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(tt.body)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestInferDescribedResponses(t *testing.T) {
	t.Parallel()
	text := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	tests := []struct {
		name, payload string
		status        int
		header        http.Header
		body          string
	}{
		{"status only", `{"statusCode":204}`, 204, text, ""},
		{"space before it", " \n{\"statusCode\":204}", 204, text, ""},
		{"text body", `{"statusCode":200,"body":"a\"☕"}`, 200, text, `a"☕`},
		{"base64 body", `{"statusCode":200,"body":"AP8=","isBase64Encoded":true}`, 200, text, "\x00\xff"},
		{"base64 off", `{"statusCode":200,"body":"AP8=","isBase64Encoded":false}`, 200, text, "AP8="},
		{"nulls", `{"statusCode":200,"body":null,"headers":null,"cookies":null,"isBase64Encoded":null}`, 200, text, ""},
		{"own content type, canonical names", `{"statusCode":418,"headers":{"content-type":"a/b","myheader":"1"}}`, 418,
			http.Header{"Content-Type": {"a/b"}, "Myheader": {"1"}}, ""},
		{"numbers, booleans, null in headers", `{"statusCode":200,"headers":{"A":1.5,"B":true,"C":null}}`, 200,
			http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "A": {"1.5"}, "B": {"true"}}, ""},
		{"cookies before Set-Cookie", `{"statusCode":200,"headers":{"set-cookie":"c=3"},"cookies":["a=1","b=2; Path=/"]}`, 200,
			http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "Set-Cookie": {"a=1", "b=2; Path=/", "c=3"}}, ""},
		{"the gateway's own headers", `{"statusCode":200,"headers":{"connection":"close","Content-Length":"7","transfer-encoding":"chunked",
			"apigw-requestid":"x","Keep-Alive":"1","Upgrade":"h2c","Te":"x","Trailer":"x","Proxy-Connection":"x","X":"kept"}}`, 200,
			http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "X": {"kept"}}, ""},
		{"two spellings of a header", `{"statusCode":200,"headers":{"x-a":"lower","X-A":"upper"}}`, 200,
			http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "X-A": {"lower"}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := gateway.Infer([]byte(tt.payload))
			if err != nil {
				t.Fatal(err)
			}
			got.Body = append([]byte{}, got.Body...)
			want := gateway.Response{Status: tt.status, Header: tt.header, Body: []byte(tt.body)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestInferTakesStatusInAString(t *testing.T) {
	t.Parallel()
	got, err := gateway.Infer([]byte(`{"statusCode":"418"}`))
	if err != nil || got.Status != 418 || !strings.Contains(got.Warning, "string") {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestInferRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ payload, says string }{
		{`{"statusCode":0}`, "statusCode"},
		{`{"statusCode":200.5}`, "statusCode"},
		{`{"statusCode":200.0}`, "statusCode"},
		{`{"statusCode":2e2}`, "statusCode"},
		{`{"statusCode":-200}`, "statusCode"},
		{`{"statusCode":null}`, "statusCode"},
		{`{"statusCode":true}`, "statusCode"},
		{`{"statusCode":{}}`, "statusCode"},
		{`{"statusCode":""}`, "statusCode"},
		{`{"statusCode":"2x0"}`, "statusCode"},
		{`{"statusCode":"0200"}`, "statusCode"},
		{`{"statusCode":100}`, "statusCode"},
		{`{"statusCode":600}`, "statusCode"},
		{`{"statusCode":200,"statusCode":"ok"}`, "statusCode"},
		{`{"statusCode":200,"body":{}}`, "body"},
		{`{"statusCode":200,"body":5}`, "body"},
		{`{"statusCode":200,"body":"!","isBase64Encoded":true}`, "base64"},
		{`{"statusCode":200,"body":"AP8","isBase64Encoded":true}`, "base64"},
		{`{"statusCode":200,"isBase64Encoded":"true"}`, "isBase64Encoded"},
		{`{"statusCode":200,"headers":[]}`, "headers"},
		{`{"statusCode":200,"headers":{"A":["x"]}}`, `headers["A"]`},
		{`{"statusCode":200,"headers":{"A":{}}}`, `headers["A"]`},
		{`{"statusCode":200,"headers":{"A b":"x"}}`, `headers["A b"]`},
		{`{"statusCode":200,"headers":{"":"x"}}`, `headers[""]`},
		{`{"statusCode":200,"headers":{"A":"x\r\nB: y"}}`, `headers["A"]`},
		{`{"statusCode":200,"cookies":"a=1"}`, "cookies"},
		{`{"statusCode":200,"cookies":[1]}`, "cookies"},
		{`{"statusCode":200,"cookies":["a=1",null]}`, "cookies[1]"},
		{`{"statusCode":200,"cookies":["a=1\n"]}`, "cookies[0]"},
	}
	for _, tt := range tests {
		_, err := gateway.Infer([]byte(tt.payload))
		if !errors.Is(err, gateway.ErrMalformedResponse) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: err = %v, want ErrMalformedResponse that says %q", tt.payload, err, tt.says)
		}
	}
}

// FuzzInfer sends whatever Infer accepts through net/http and checks that it
// comes out as it was put in.
func FuzzInfer(f *testing.F) {
	for _, seed := range []string{
		`{"statusCode":200,"headers":{"A":"b","Connection":"x"},"cookies":["c=d"],"body":"AP8=","isBase64Encoded":true}`,
		`{"statusCode":"204","body":null}`, `{"statusCode":99}`, `"x"`, `null`, ``, `{"statusCode":`, `[1]`,
		`{"statusCode":200,"headers":{"Trailer:X":"y"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := gateway.Infer(payload)
		if err != nil {
			if !errors.Is(err, gateway.ErrMalformedResponse) || len(err.Error()) > 400 {
				t.Fatalf("err = %v", err)
			}
			return
		}
		if got.Status < 200 || got.Status > 599 {
			t.Fatalf("status %d", got.Status)
		}
		if len(got.Header["Content-Type"]) != 1 {
			t.Fatalf("Content-Type %q", got.Header["Content-Type"])
		}
		for name := range got.Header {
			switch name {
			case "Connection", "Content-Length", "Transfer-Encoding", "Apigw-Requestid", "Trailer", "Upgrade", "Te", "Keep-Alive":
				t.Fatalf("header %s passed", name)
			}
			if name != http.CanonicalHeaderKey(name) {
				t.Fatalf("header %q is not canonical", name)
			}
		}
		var wire strings.Builder
		if err := got.Header.Write(&wire); err != nil {
			t.Fatal(err)
		}
		lines := 0
		for _, values := range got.Header {
			lines += len(values)
		}
		if n := strings.Count(wire.String(), "\r\n"); n != lines || strings.Count(wire.String(), "\n") != lines {
			t.Fatalf("%d headers were written as %d lines: %q", lines, n, wire.String())
		}
		httptest.NewRecorder().WriteHeader(got.Status)
	})
}
