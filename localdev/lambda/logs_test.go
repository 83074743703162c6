package lambda

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLogOfAnInvocation(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, Options{Output: rec.output}, single("f"))
	call(t, s, "f", "nil")
	r := call(t, s, "f", "log", "N", 100, "Text", "line")
	rec.until(t, "REPORT", func(l Line) bool { return l.RequestID == r.RequestID && strings.HasPrefix(l.Text, "REPORT") })

	var platform, stdout, stderr []string
	var lines []Line
	for _, l := range rec.all() {
		if l.Function != "f" || l.Environment != s.Environments()[0].ID || l.Time.IsZero() || l.Platform != (l.Stream == "") {
			t.Errorf("%+v", l)
		}
		if l.Platform && (l.RequestID == "") != strings.HasPrefix(l.Text, "INIT_START") {
			t.Errorf("%+v", l)
		}
		if l.RequestID == r.RequestID {
			lines = append(lines, l)
		}
		if l.Platform {
			platform = append(platform, l.Text)
		}
	}
	for _, l := range lines {
		switch l.Stream {
		case "stdout":
			stdout = append(stdout, l.Text)
		case "stderr":
			stderr = append(stderr, l.Text)
		}
	}
	var wantOut, wantErr []string
	for i := range 100 {
		wantOut = append(wantOut, fmt.Sprint("line ", i))
		wantErr = append(wantErr, fmt.Sprint("line err ", i))
	}
	if diff := cmp.Diff(append(wantOut, "no newline"), stdout); diff != "" {
		t.Errorf("stdout (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantErr, stderr); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
	if n := len(lines); n != 204 || !strings.HasPrefix(lines[0].Text, "START ") || !strings.HasPrefix(lines[n-2].Text, "END ") {
		t.Errorf("%d lines, from %q to %q", n, lines[0].Text, lines[n-2].Text)
	}

	id := `[0-9a-f-]{36}`
	patterns := []string{
		`INIT_START Runtime Version: provided:al2023\.v\d+\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}`,
		`START RequestId: ` + id + ` Version: \$LATEST`,
		`END RequestId: ` + id,
		`REPORT RequestId: ` + id + `\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t`,
		`START RequestId: ` + r.RequestID + ` Version: \$LATEST`,
		`END RequestId: ` + r.RequestID,
		`REPORT RequestId: ` + r.RequestID + `\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t`,
	}
	for i, pattern := range patterns {
		if i >= len(platform) || !regexp.MustCompile(`^`+pattern+`$`).MatchString(platform[i]) {
			t.Errorf("platform line %d of %q does not match %s", i, platform, pattern)
		}
	}
}

func TestReportLine(t *testing.T) {
	t.Parallel()
	const id = "1"
	tests := map[string]struct {
		duration, init time.Duration
		peak           int64
		outcome        outcome
		want           string
	}{
		"warm":    {3010 * time.Microsecond, 0, 36 << 20, outcome{}, "Duration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t"},
		"cold":    {3010 * time.Microsecond, 110100 * time.Microsecond, 36<<20 - 1, outcome{}, "Duration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t"},
		"exact":   {4 * time.Millisecond, 0, 36<<20 + 1, outcome{}, "Duration: 4.00 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 37 MB\t"},
		"timeout": {time.Second, 84 * time.Millisecond, 31 << 20, outcome{status: "timeout"}, "Duration: 1000.00 ms\tBilled Duration: 1084 ms\tMemory Size: 128 MB\tMax Memory Used: 31 MB\tInit Duration: 84.00 ms\tStatus: timeout"},
		"error":   {time.Second, 0, 31 << 20, outcome{"error", "Runtime.ExitError"}, "Duration: 1000.00 ms\tBilled Duration: 1000 ms\tMemory Size: 128 MB\tMax Memory Used: 31 MB\tStatus: error\tError Type: Runtime.ExitError"},
	}
	for name, tt := range tests {
		if diff := cmp.Diff("REPORT RequestId: 1\t"+tt.want, reportLine(id, tt.duration, tt.init, 128, tt.peak, tt.outcome)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// reported is the memory that a REPORT line tells, in MB.
func reported(t *testing.T, tail []byte) int {
	t.Helper()
	m := regexp.MustCompile(`Max Memory Used: (\d+) MB`).FindSubmatch(tail)
	if m == nil {
		t.Fatalf("no memory in %q", tail)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMaxMemoryUsedIsThePeak(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, single("f"))
	tail := func(do string, fields ...any) []byte {
		r, err := s.Invoke(t.Context(), Request{Function: "f", Payload: event(do, fields...), Tail: true})
		if err != nil {
			t.Fatal(err)
		}
		return r.LogTail
	}
	before := reported(t, tail("nil"))
	peak := reported(t, tail("allocate", "N", 100<<20))
	after := reported(t, tail("nil"))
	if before < 2 || before > 60 || peak < before+95 || peak > before+160 || after < peak {
		t.Errorf("%d MB, %d MB with 100 MB more, %d MB after it", before, peak, after)
	}
}

func TestLogTail(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, single("f"))
	for _, n := range []int{0, 1000} {
		r, err := s.Invoke(t.Context(), Request{Function: "f", Payload: event("log", "N", n, "Text", "some text"), Tail: true})
		if err != nil {
			t.Fatal(err)
		}
		start, end := []byte("START RequestId: "+r.RequestID+" Version: $LATEST\n"), regexp.MustCompile(`\nREPORT RequestId: `+r.RequestID+`\t.*\t\n$`)
		if len(r.LogTail) > 4096 || !end.Match(r.LogTail) || bytes.HasPrefix(r.LogTail, start) != (n == 0) || (len(r.LogTail) == 4096) != (n > 0) {
			t.Errorf("%d lines: %d bytes: %q", n, len(r.LogTail), r.LogTail)
		}
	}
	// Of a function that times out: up to the report as well.
	c := probe("late")
	c.Timeout = 500 * time.Millisecond
	s = start(t, Options{}, c)
	r, err := s.Invoke(t.Context(), Request{Function: "late", Payload: event("spin"), Tail: true})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(r.LogTail, []byte("\tStatus: timeout\n")) {
		t.Errorf("%q", r.LogTail)
	}
}

func TestLongLinesAreSplit(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, Options{Output: rec.output}, single("f"))
	r := call(t, s, "f", "log", "N", 1, "Text", strings.Repeat("x", 600_000))
	rec.until(t, "REPORT", func(l Line) bool { return strings.HasPrefix(l.Text, "REPORT") })
	var lengths []int
	for _, l := range rec.all() {
		if l.Stream == "stderr" && l.RequestID == r.RequestID {
			lengths = append(lengths, len(l.Text))
		}
	}
	if diff := cmp.Diff([]int{262_144, 262_144, 600_006 - 2*262_144}, lengths); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLogQueue(t *testing.T) {
	t.Parallel()
	line := Line{Text: strings.Repeat("x", 1<<20)}
	t.Run("holds a writer up for a second at most, then drops and says so", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			free := make(chan struct{})
			var got []string
			q := newLogQueue(func(l Line) {
				<-free
				got = append(got, l.Text[:1])
			})
			q.put(line)
			time.Sleep(time.Second)
			synctest.Wait() // the first line is being delivered, for ever
			began := time.Now()
			put := 0
			for time.Since(began) == 0 {
				q.put(line)
				put++
			}
			if took := time.Since(began); took != time.Second || put != 17 {
				t.Errorf("line %d was held up %v", put, took)
			}
			for range 5 {
				q.put(line)
			}
			if took := time.Since(began); took != time.Second {
				t.Errorf("after the first, lines are held up too: %v", took)
			}
			close(free)
			if err := q.close(context.Background()); err != nil {
				t.Fatal(err)
			}
			if want := strings.Repeat("x", 17) + "6"; strings.Join(got, "") != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	})
	t.Run("lets a writer go on as soon as there is room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			q := newLogQueue(func(Line) {
				time.Sleep(10 * time.Millisecond)
				n++
			})
			began := time.Now()
			for range 100 {
				q.put(line)
			}
			if took := time.Since(began); took == 0 || took > 2*time.Second {
				t.Errorf("100 lines took %v", took)
			}
			if err := q.close(context.Background()); err != nil {
				t.Fatal(err)
			}
			if n != 100 {
				t.Errorf("%d lines arrived", n)
			}
		})
	})
	t.Run("does not wait for a stuck consumer for ever", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			free := make(chan struct{})
			q := newLogQueue(func(Line) { <-free })
			q.put(line)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := q.close(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("close: %v", err)
			}
			close(free)
		})
	})
}
