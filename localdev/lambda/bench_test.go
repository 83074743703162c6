package lambda

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"photofinish/localdev/process"
)

// bareLoop is the least that can serve the Runtime API: hand out the event, take
// the answer. What Invoke takes beyond it, is the emulator's own.
type bareLoop struct {
	events  chan []byte
	answers chan []byte
}

func (b *bareLoop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/next") {
		select {
		case e := <-b.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "1")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", "99999999999999")
			_, _ = w.Write(e)
		case <-r.Context().Done():
		}
		return
	}
	body, _ := io.ReadAll(r.Body)
	b.answers <- body
	w.WriteHeader(http.StatusAccepted)
}

func (b *bareLoop) invoke(e []byte) []byte {
	b.events <- e
	return <-b.answers
}

func startBareLoop(tb testing.TB) *bareLoop {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	b := &bareLoop{make(chan []byte), make(chan []byte)}
	server := &http.Server{Handler: b, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	p, err := process.Start(process.Spec{
		Path: filepath.Join(os.Getenv(probeVar), "bootstrap"),
		Env:  []string{"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String()},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Stop(context.Background(), 0); err != nil {
			tb.Error(err)
		}
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			tb.Error(err)
		}
	})
	return b
}

// BenchmarkWarmInvoke compares a warm Invoke, with logs delivered, to the bare
// loop, in turns of one run. The metric x-bare is the ratio of the medians.
func BenchmarkWarmInvoke(b *testing.B) {
	bare := startBareLoop(b)
	s := start(b, Options{Output: func(Line) {}}, single("f"))
	e := event("echo", "Value", map[string]string{"order": "1"})
	ctx := context.Background()
	invoke := func() {
		if r, err := s.Invoke(ctx, Request{Function: "f", Payload: e}); err != nil || r.FunctionError != "" {
			b.Fatal(err, string(r.Payload))
		}
	}
	for range 500 {
		bare.invoke(e)
		invoke()
	}
	const turn = 50
	var plain, ours []time.Duration
	took := func(f func()) time.Duration {
		began := time.Now()
		f()
		return time.Since(began)
	}
	for b.Loop() {
		for range turn {
			plain = append(plain, took(func() { bare.invoke(e) }))
		}
		for range turn {
			ours = append(ours, took(invoke))
		}
	}
	median := func(d []time.Duration) float64 {
		slices.Sort(d)
		return float64(d[len(d)/2].Nanoseconds())
	}
	b.ReportMetric(median(plain)/1000, "bare-µs")
	b.ReportMetric(median(ours)/1000, "invoke-µs")
	b.ReportMetric(median(ours)/median(plain), "x-bare")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkParallelInvoke shows what 16 callers get through.
func BenchmarkParallelInvoke(b *testing.B) {
	s := start(b, Options{Output: func(Line) {}}, probe("f"))
	e := event("echo", "Value", map[string]string{"order": "1"})
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if r, err := s.Invoke(context.Background(), Request{Function: "f", Payload: e}); err != nil || r.FunctionError != "" {
				b.Error(err, string(r.Payload))
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "invocations/s")
	b.ReportMetric(float64(len(s.Environments())), "environments")
}
