//go:build unix

package process

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func shell(script string) Spec {
	return Spec{Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

func wait(t *testing.T, p *Process) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(20 * time.Second):
		t.Fatalf("process %d: not done", p.PID())
	}
}

func TestExitText(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"exit 0":        "exit status 0",
		"exit 3":        "exit status 3",
		"kill -KILL $$": "signal: killed",
		"kill -TERM $$": "signal: terminated",
	}
	for name, spawn := range spawners() {
		for script, want := range tests {
			t.Run(name+"/"+script, func(t *testing.T) {
				t.Parallel()
				p, err := start(shell(script), spawn)
				if err != nil {
					t.Fatal(err)
				}
				wait(t, p)
				if got := p.ExitText(); got != want {
					t.Errorf("ExitText() = %q, want %q", got, want)
				}
				if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
					t.Errorf("Signal after the end: %v", err)
				}
				if p.Alive() {
					t.Error("Alive() after the end")
				}
			})
		}
	}
}

func TestStartErrors(t *testing.T) {
	t.Parallel()
	plain := t.TempDir() + "/plain"
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		spec Spec
		want error
	}{
		"no such program":   {Spec{Path: "/nonexistent/program"}, fs.ErrNotExist},
		"not executable":    {Spec{Path: plain}, fs.ErrPermission},
		"no such directory": {Spec{Path: "/bin/sh", Dir: "/nonexistent"}, fs.ErrNotExist},
	}
	for name, spawn := range spawners() {
		for test, tt := range tests {
			t.Run(name+"/"+test, func(t *testing.T) {
				t.Parallel()
				p, err := start(tt.spec, spawn)
				if !errors.Is(err, tt.want) || p != nil {
					t.Errorf("start = %v, %v; want %v", p, err, tt.want)
				}
			})
		}
	}
}

func TestEnvironmentAndDirectoryAreExactlyTheGiven(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("LEAK", "1")
	for name, spawn := range spawners() {
		out := newCollector()
		p, err := start(Spec{Path: "/usr/bin/env", Env: []string{"B=2", "A=1"}, Dir: dir, Stdout: out.add}, spawn)
		if err != nil {
			t.Fatal(err)
		}
		wait(t, p)
		if diff := cmp.Diff([]string{"B=2", "A=1"}, out.all()); diff != "" {
			t.Errorf("%s: environment (-want +got):\n%s", name, diff)
		}
		out = newCollector()
		if p, err = start(Spec{Path: "/bin/pwd", Dir: dir, Stdout: out.add}, spawn); err != nil {
			t.Fatal(err)
		}
		wait(t, p)
		if diff := cmp.Diff([]string{dir}, out.all()); diff != "" {
			t.Errorf("%s: directory (-want +got):\n%s", name, diff)
		}
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	const obeys = `trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.02; done`
	const defies = `trap '' TERM; echo ready; while :; do sleep 0.02; done`
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	tests := map[string]struct {
		script  string
		ctx     context.Context
		grace   time.Duration
		stopped bool
		want    string
		output  []string
	}{
		"obeys SIGTERM":            {script: obeys, ctx: t.Context(), grace: 10 * time.Second, want: "exit status 7", output: []string{"ready", "bye"}},
		"stopped, obeys SIGTERM":   {script: obeys, ctx: t.Context(), grace: 10 * time.Second, stopped: true, want: "exit status 7", output: []string{"ready", "bye"}},
		"defies SIGTERM":           {script: defies, ctx: t.Context(), grace: 50 * time.Millisecond, want: "signal: killed", output: []string{"ready"}},
		"no grace":                 {script: obeys, ctx: t.Context(), want: "signal: killed", output: []string{"ready"}},
		"context ends the waiting": {script: defies, ctx: ended, grace: time.Hour, want: "signal: killed", output: []string{"ready"}},
	}
	for name, spawn := range spawners() {
		for test, tt := range tests {
			t.Run(name+"/"+test, func(t *testing.T) {
				t.Parallel()
				out := newCollector()
				spec := shell(tt.script)
				spec.Stdout = out.add
				p, err := start(spec, spawn)
				if err != nil {
					t.Fatal(err)
				}
				<-out.first
				if tt.stopped {
					if err := p.Signal(syscall.SIGSTOP); err != nil {
						t.Fatal(err)
					}
				}
				if err := p.Stop(tt.ctx, tt.grace); err != nil {
					t.Fatal(err)
				}
				select {
				case <-p.Done():
				default:
					t.Error("Stop returned before Done")
				}
				if got := p.ExitText(); got != tt.want {
					t.Errorf("ExitText() = %q, want %q", got, tt.want)
				}
				if diff := cmp.Diff(tt.output, out.all()); diff != "" {
					t.Errorf("output (-want +got):\n%s", diff)
				}
				if err := p.Stop(t.Context(), tt.grace); err != nil {
					t.Errorf("second Stop: %v", err)
				}
			})
		}
	}
}

func TestGroupDiesWithItsLeader(t *testing.T) {
	t.Parallel()
	for name, spawn := range spawners() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := newCollector()
			spec := shell(`sleep 1000 & echo $!; exit 4`)
			spec.Stdout = out.add
			p, err := start(spec, spawn)
			if err != nil {
				t.Fatal(err)
			}
			wait(t, p)
			if got := p.ExitText(); got != "exit status 4" {
				t.Errorf("ExitText() = %q", got)
			}
			pid, err := strconv.Atoi(out.all()[0])
			if err != nil {
				t.Fatal(err)
			}
			waitGone(t, pid)
		})
	}
}

func TestNothingLeaks(t *testing.T) {
	count := func() (goroutines, files int) {
		entries, err := os.ReadDir("/dev/fd")
		if err != nil {
			t.Fatal(err)
		}
		return runtime.NumGoroutine(), len(entries)
	}
	round := func(n int) {
		for name, spawn := range spawners() {
			for range n {
				out := newCollector()
				spec := shell("echo x; sleep 1000")
				spec.Stdout, spec.Stderr = out.add, out.add
				p, err := start(spec, spawn)
				if err != nil {
					t.Fatal(err)
				}
				<-out.first
				if err := p.Stop(t.Context(), 0); err != nil {
					t.Fatal(name, err)
				}
			}
		}
	}
	round(2)
	goroutines, files := count()
	round(30)
	var g, f int
	settled := func() bool { g, f = count(); return g <= goroutines && f <= files }
	if !soon(settled) {
		t.Errorf("goroutines %d → %d, open files %d → %d", goroutines, g, files, f)
	}
}
