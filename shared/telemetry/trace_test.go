package telemetry

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

func TestTrace(t *testing.T) {
	t.Parallel()
	const (
		w3c = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		ray = "Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1"
	)
	invocation := context.WithValue(context.Background(), "x-amzn-trace-id", ray) //nolint:staticcheck // the key that aws-lambda-go uses
	for _, tt := range []struct {
		name   string
		ctx    context.Context
		header map[string]string
		want   string
	}{
		{"none", context.Background(), nil, ""},
		{"W3C goes first", invocation, map[string]string{"traceparent": w3c, "X-Amzn-Trace-Id": ray}, w3c},
		{"X-Ray", context.Background(), map[string]string{"X-Amzn-Trace-Id": ray}, ray},
		{"root only", context.Background(), map[string]string{"X-Amzn-Trace-Id": "Root=1-67891233-abcdef012345678912345678"}, "Root=1-67891233-abcdef012345678912345678"},
		{"that of the invocation", invocation, nil, ray},
		{"malformed", context.Background(), map[string]string{"traceparent": "00-zz", "X-Amzn-Trace-Id": "Root=1\n{}"}, ""},
		{"malformed goes to the next", context.Background(), map[string]string{"traceparent": w3c + "x", "X-Amzn-Trace-Id": ray}, ray},
		{"huge", context.Background(), map[string]string{"X-Amzn-Trace-Id": "Root=" + strings.Repeat("1", 10_000)}, ""},
	} {
		h := http.Header{}
		for name, value := range tt.header {
			h.Set(name, value)
		}
		if got := Trace(tt.ctx, h); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// No header gets into a message but as a trace context of a sane size.
func FuzzTrace(f *testing.F) {
	for _, s := range []string{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Root=1-67891233-abcdef012345678912345678;Sampled=1", "", "\n", "Root="} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, w3c, ray string) {
		got := Trace(context.Background(), http.Header{"Traceparent": {w3c}, "X-Amzn-Trace-Id": {ray}})
		if got != "" && got != w3c && got != ray || len(got) > 1000 || strings.ContainsAny(got, "\r\n\"{}") {
			t.Errorf("%q of %q and %q", got, w3c, ray)
		}
	})
}
