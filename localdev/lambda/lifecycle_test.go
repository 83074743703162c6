package lambda

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestIdleEnvironmentKilledFromOutside(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, single("f"))
	for range 30 {
		pid := value[int](t, call(t, s, "f", "pid"))
		idle := func() bool { e := s.Environments(); return len(e) == 1 && e[0].State == Idle && e[0].PID == pid }
		eventually(t, "idle", idle)
		since := time.Now()
		eventually(t, "idle for a while", func() bool { return time.Since(since) > 2*trustTime && idle() })
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if after := value[int](t, call(t, s, "f", "pid")); after == pid { // at once, and no failure
			t.Fatalf("process %d lives on", pid)
		}
	}
}

// A function that goes on working after its answer is not waited for.
func TestEnvironmentThatLingersIsReplaced(t *testing.T) {
	t.Parallel()
	c := probe("f")
	c.Timeout = 2 * time.Second
	rec := &recorder{}
	s := start(t, Options{Output: rec.output}, c)
	r := call(t, s, "f", "linger")
	lingering := value[int](t, r)
	if r.ContentType != "text/plain" {
		t.Errorf("content type %q", r.ContentType)
	}
	began := time.Now()
	if pid := value[int](t, call(t, s, "f", "pid")); pid == lingering {
		t.Errorf("process %d answered although it lingers", pid)
	}
	if took := time.Since(began); took > c.Timeout {
		t.Errorf("the next invocation took %v", took)
	}
	eventually(t, "the end of the lingering process", func() bool { return gone(lingering) })
	report := rec.until(t, "REPORT", func(l Line) bool { return l.RequestID == r.RequestID && strings.HasPrefix(l.Text, "REPORT") })
	if !strings.HasSuffix(report.Text, "\tStatus: timeout") {
		t.Errorf("report %q", report.Text)
	}
}

func TestFailedInit(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		init    string
		dir     string
		timeout time.Duration
		want    string // after the request id
		wantLog []string
	}{
		"exits": {
			init: "exit", want: `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 7"}`,
			wantLog: []string{
				"INIT_START", "no luck", "INIT_REPORT Phase: init Status: error Error Type: Runtime.ExitError",
				"no luck", "INIT_REPORT Phase: invoke Status: error Error Type: Runtime.ExitError",
				"START", "END", "REPORT Status: error Error Type: Runtime.ExitError",
			},
		},
		"exits, and succeeds the second time": {
			init: "once", want: "null",
			wantLog: []string{"INIT_START", "INIT_REPORT Phase: init Status: error Error Type: Runtime.ExitError", "START", "END", "REPORT"},
		},
		"no bootstrap": {
			dir: "/nonexistent", want: `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: ID Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"}`,
			wantLog: []string{
				"INIT_START", "process: start /nonexistent/bootstrap: fork/exec /nonexistent/bootstrap: no such file or directory",
				"INIT_REPORT Phase: init Status: error Error Type: Runtime.InvalidEntrypoint",
				"process: start /nonexistent/bootstrap: fork/exec /nonexistent/bootstrap: no such file or directory",
				"INIT_REPORT Phase: invoke Status: error Error Type: Runtime.InvalidEntrypoint",
				"START", "END", "REPORT Status: error Error Type: Runtime.InvalidEntrypoint",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := single("f")
			c.Env = map[string]string{"PROBE_INIT": tt.init}
			if tt.dir != "" {
				c.Dir = tt.dir
			}
			rec := &recorder{}
			s := start(t, Options{Output: rec.output}, c)
			r := call(t, s, "f", "nil")
			if got := strings.ReplaceAll(string(r.Payload), r.RequestID, "ID"); got != tt.want {
				t.Errorf("payload %s\nwant %s", got, tt.want)
			}
			rec.until(t, "REPORT", func(l Line) bool { return strings.HasPrefix(l.Text, "REPORT") })
			var log []string
			for _, l := range rec.all() {
				log = append(log, summary(l))
			}
			if diff := cmp.Diff(tt.wantLog, log); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
		})
	}
}

// summary drops from a platform line what differs from run to run.
func summary(l Line) string {
	if !l.Platform {
		return l.Text
	}
	fields := strings.Split(l.Text, "\t")
	words := strings.Fields(fields[0])
	if !strings.HasSuffix(words[0], "START") && words[0] != "END" && !strings.HasSuffix(words[0], "REPORT") {
		return l.Text
	}
	kept := []string{words[0]}
	for _, f := range fields[1:] {
		if strings.HasPrefix(f, "Status") || strings.HasPrefix(f, "Error Type") || strings.HasPrefix(f, "Phase") {
			kept = append(kept, f)
		}
	}
	return strings.Join(kept, " ")
}

// The cold start has a time of its own. After that the init is started again, on
// the invocation's time.
func TestInitThatTakesTooLong(t *testing.T) {
	t.Parallel()
	for _, crash := range []bool{false, true} {
		c := single("f")
		c.Timeout = 500 * time.Millisecond
		c.Env = map[string]string{"PROBE_INIT": "hang"}
		rec := &recorder{}
		s := start(t, Options{Output: rec.output}, c)
		if s.initTime != 10*time.Second {
			t.Errorf("a cold start may take %v", s.initTime)
		}
		wantLog := []string{"INIT_START", "INIT_REPORT Phase: init Status: error Error Type: Runtime.ExitError"}
		if !crash {
			s.initTime = time.Second
			wantLog[1] = "INIT_REPORT Phase: init Status: timeout"
		}
		wantLog = append(wantLog, "INIT_REPORT Phase: invoke Status: timeout", "START", "END", "REPORT Status: timeout")
		answer := invokeLater(t, s, Request{Function: "f"})
		eventually(t, "starting", func() bool { e := s.Environments(); return len(e) == 1 && e[0].PID != 0 })
		if crash {
			if err := syscall.Kill(s.Environments()[0].PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		r := <-answer
		want := fmt.Sprintf(`{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: %s Error: Task timed out after 0.50 seconds"}`, r.RequestID)
		if string(r.Payload) != want {
			t.Errorf("payload %s\nwant %s", r.Payload, want)
		}
		rec.until(t, "REPORT", func(l Line) bool { return strings.HasPrefix(l.Text, "REPORT") })
		var log []string
		for _, l := range rec.all() {
			log = append(log, summary(l))
		}
		if diff := cmp.Diff(wantLog, log); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	}
}

func TestIdleEnvironmentsAreStoppedAfterAWhile(t *testing.T) {
	t.Parallel()
	s := start(t, Options{IdleTimeout: 50 * time.Millisecond}, probe("f"))
	pid := value[int](t, call(t, s, "f", "pid"))
	call(t, s, "f", "write", "Text", "x")
	call(t, s, "f", "exit", "N", 1)
	eventually(t, "no environment, no process, no directory", func() bool {
		left, err := os.ReadDir(s.root)
		return err == nil && len(left) == 0 && len(s.Environments()) == 0 && gone(pid)
	})
	if r := call(t, s, "f", "read"); r.FunctionError == "" { // a new environment has an empty directory
		t.Errorf("the temporary directory holds %s", r.Payload)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, probe("idle"), probe("busy"), probe("starting"))
	hang := probe("hang")
	hang.Env = map[string]string{"PROBE_INIT": "hang"}
	s2 := start(t, Options{}, hang)
	call(t, s, "idle", "pid")
	errs := make(chan error, 2)
	go func() {
		_, err := s.Invoke(context.Background(), Request{Function: "busy", Payload: event("spin")})
		errs <- err
	}()
	go func() {
		_, err := s2.Invoke(context.Background(), Request{Function: "hang"})
		errs <- err
	}()
	var pids []int
	eventually(t, "three processes", func() bool {
		pids = nil
		for _, e := range append(s.Environments(), s2.Environments()...) {
			if e.PID != 0 && (e.State == Busy) == (e.Function == "busy") {
				pids = append(pids, e.PID)
			}
		}
		return len(pids) == 3
	})
	began := time.Now()
	if err := errors.Join(s.Close(context.Background()), s2.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close took %v", took)
	}
	for range 2 {
		if err := <-errs; !errors.Is(err, ErrClosed) {
			t.Errorf("Invoke: %v, want ErrClosed", err)
		}
	}
	for _, pid := range pids {
		if !gone(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
	if _, err := os.Stat(s.root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("temporary directory: %v", err)
	}
	if _, err := s.Invoke(context.Background(), Request{Function: "idle"}); !errors.Is(err, ErrClosed) {
		t.Errorf("Invoke after Close: %v", err)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestSIGTERM(t *testing.T) {
	t.Parallel()
	mark := filepath.Join(t.TempDir(), "mark")
	with := probe("with")
	with.Env = map[string]string{"PROBE_SIGTERM": mark}
	s := start(t, Options{}, with)
	call(t, s, "with", "nil")
	began := time.Now()
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	b, err := os.ReadFile(mark)
	if err != nil {
		t.Fatal("no SIGTERM arrived: ", err)
	}
	lines := strings.Fields(string(b))
	if len(lines) == 0 {
		t.Fatal("no SIGTERM arrived")
	}
	ms, err := strconv.Atoi(lines[len(lines)-1])
	if err != nil {
		t.Fatal(err)
	}
	// The handler ran from SIGTERM to SIGKILL.
	if ran := time.Duration(ms) * time.Millisecond; ran < 300*time.Millisecond || ran > took || took < stopGrace {
		t.Errorf("the handler ran %v of the %v that Close took", ran, took)
	}
	if took > 10*stopGrace {
		t.Errorf("Close took %v", took)
	}
}

func TestCloseDoesNotWaitLongerThanItsContext(t *testing.T) {
	t.Parallel()
	c := probe("f")
	c.Env = map[string]string{"PROBE_SIGTERM": filepath.Join(t.TempDir(), "mark")}
	s := start(t, Options{}, c)
	pid := value[int](t, call(t, s, "f", "pid"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if !gone(pid) {
		t.Errorf("process %d still runs", pid)
	}
}

func TestNothingLeaks(t *testing.T) {
	files := func() int {
		entries, err := os.ReadDir("/dev/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	round := func(environments int) {
		s, err := New(Options{TempDir: t.TempDir(), Output: func(Line) {}}, []Config{probe("f")})
		if err != nil {
			t.Fatal(err)
		}
		const parallel = 8
		var callers sync.WaitGroup
		for range parallel {
			callers.Go(func() {
				for range environments / parallel {
					call(t, s, "f", "exit", "N", 1)
				}
			})
		}
		callers.Wait()
		if err := s.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	round(8)
	goroutines, open := runtime.NumGoroutine(), files()
	round(200)
	eventually(t, "as many goroutines and files as before", func() bool {
		return runtime.NumGoroutine() <= goroutines && files() <= open
	})
}
