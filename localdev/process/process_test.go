//go:build unix

package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// roleVar makes the test binary play the part of a program that starts a child.
const roleVar = "PROCESS_TEST_SPAWN"

func spawners() map[string]spawnFunc {
	return map[string]spawnFunc{"native": spawn, "guarded": spawnGuarded}
}

func TestMain(m *testing.M) {
	if name := os.Getenv(roleVar); name != "" {
		if err := playParent(spawners()[name]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// playParent starts a child from a goroutine that ends, prints its id and waits to be killed.
func playParent(spawn spawnFunc) error {
	ready := make(chan struct{})
	var p *Process
	var err error
	var started sync.WaitGroup
	started.Go(func() {
		p, err = start(Spec{
			Path: "/bin/sh", Args: []string{"-c", "echo ready; exec sleep 1000"}, Env: []string{"PATH=/usr/bin:/bin"},
			Stdout: func([]byte) { close(ready) },
		}, spawn)
	})
	if started.Wait(); err != nil {
		return err
	}
	<-ready
	fmt.Println("child", p.PID())
	<-p.Done()
	return errors.New("the child ended by itself: " + p.ExitText())
}

// gone reports whether pid exists no more, or only as a zombie that nobody here can reap.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !gone(pid) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("process %d is still there", pid)
		}
		runtime.Gosched()
	}
}

func TestChildDiesWithItsParent(t *testing.T) {
	t.Parallel()
	for name := range spawners() {
		for _, stopped := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stopped=%t", name, stopped), func(t *testing.T) {
				t.Parallel()
				parent := exec.Command(os.Args[0])
				parent.Env = append(os.Environ(), roleVar+"="+name)
				out, err := parent.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := parent.Start(); err != nil {
					t.Fatal(err)
				}
				line, err := bufio.NewReader(out).ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				pid, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(line), "child "))
				if err != nil {
					t.Fatalf("the parent said %q", line)
				}
				if stopped {
					if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
						t.Fatal(err)
					}
				}
				if gone(pid) {
					t.Fatalf("the child is gone before its parent")
				}
				if err := parent.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = parent.Wait() // "signal: killed"
				waitGone(t, pid)
			})
		}
	}
}

// collector gathers lines.
type collector struct {
	mu    sync.Mutex
	lines []string
	first chan struct{}
	once  sync.Once
}

func newCollector() *collector { return &collector{first: make(chan struct{})} }

func (c *collector) add(b []byte) {
	c.mu.Lock()
	c.lines = append(c.lines, string(b))
	c.mu.Unlock()
	c.once.Do(func() { close(c.first) })
}

func (c *collector) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines)
}

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

func TestLines(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script string
		want   []string
	}{
		"none":                    {"true", nil},
		"plain":                   {`printf 'a\nb\n'`, []string{"a", "b"}},
		"no final newline":        {`printf 'a\nb'`, []string{"a", "b"}},
		"empty lines":             {`printf '\n\na\n'`, []string{"", "", "a"}},
		"as long as allowed":      {`printf '12345678\n'`, []string{"12345678"}},
		"too long":                {`printf '123456789\nx\n'`, []string{"12345678", "9", "x"}},
		"too long, twice as long": {`printf '1234567812345678\nx\n'`, []string{"12345678", "12345678", "x"}},
		"too long, in two writes": {`printf 123456; sleep 0.05; printf '789abcdef0\n'`, []string{"12345678", "9abcdef0"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, stream := range []string{"stdout", "stderr"} {
				out := newCollector()
				spec := shell(tt.script)
				if spec.MaxLine = 8; stream == "stdout" {
					spec.Stdout = out.add
				} else {
					spec = shell("exec 1>&2; " + tt.script)
					spec.MaxLine = 8
					spec.Stderr = out.add
				}
				p, err := Start(spec)
				if err != nil {
					t.Fatal(err)
				}
				wait(t, p)
				if diff := cmp.Diff(tt.want, out.all()); diff != "" {
					t.Errorf("%s (-want +got):\n%s", stream, diff)
				}
			}
		})
	}
}

func TestMuchOutputArrivesWholeAndInOrder(t *testing.T) {
	t.Parallel()
	const n = 200_000
	var want, got strings.Builder
	for i := range n {
		want.WriteString(strconv.Itoa(i + 1))
	}
	spec := shell("seq " + strconv.Itoa(n))
	lines := 0
	spec.Stdout = func(b []byte) {
		lines++
		got.Write(b)
	}
	p, err := Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	wait(t, p)
	if lines != n || got.String() != want.String() {
		t.Errorf("%d of %d lines, in order: %t", lines, n, got.String() == want.String())
	}

	got.Reset()
	if p, err = Start(spec); err != nil {
		t.Fatal(err)
	}
	for p.ExitText() == "" {
		p.Flush() // may cut a line that is being written, never lose or reorder text
	}
	wait(t, p)
	if got.String() != want.String() {
		t.Error("flushing changed the text")
	}
}

func TestFlushDeliversWhatWasWritten(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	out, told := newCollector(), newCollector()
	// The child writes to stdout, then says so on stderr.
	spec := shell(`while read -r word; do printf '%s' "$word"; echo wrote >&2; done`)
	spec.Stdin, spec.Stdout = r, out.add
	wrote := make(chan struct{})
	spec.Stderr = func(b []byte) { told.add(b); wrote <- struct{}{} }
	p, err := Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 200 {
		word := "word" + strconv.Itoa(i)
		if _, err := w.WriteString(word + "\n"); err != nil {
			t.Fatal(err)
		}
		<-wrote
		p.streams[0].flush()
		want = append(want, word)
		if diff := cmp.Diff(want, out.all()); diff != "" {
			t.Fatalf("after flush %d (-want +got):\n%s", i, diff)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	wait(t, p)
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

// A descendant that left the group keeps the pipes open, and writes without end.
func TestEscapedDescendantDoesNotHoldUpDone(t *testing.T) {
	t.Parallel()
	setsid, err := exec.LookPath("setsid")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{"exec sleep 1000", "exec yes"} {
		out := newCollector()
		spec := shell(setsid + ` sh -c 'echo $$; ` + script + `' & sleep 0.2; exit 0`)
		spec.Stdout = out.add
		if script == "exec yes" {
			spec.Stdout = func(b []byte) {
				if string(b) != "y" {
					out.add(b)
				}
			}
		}
		p, err := Start(spec)
		if err != nil {
			t.Fatal(err)
		}
		<-out.first
		wait(t, p)
		pid, err := strconv.Atoi(out.all()[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Error(err)
		}
		waitGone(t, pid)
	}
}

func TestAliveSeesAFatalSignalAtOnce(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // Alive promises this for Linux only
	}
	for range 200 {
		p, err := Start(shell("exec sleep 1000"))
		if err != nil {
			t.Fatal(err)
		}
		if !p.Alive() {
			t.Error("a running child is not alive")
		}
		if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if p.Alive() {
			t.Error("alive after SIGKILL")
		}
		wait(t, p)
	}
}

func TestPeakMemory(t *testing.T) {
	t.Parallel()
	out := newCollector()
	// tail keeps its input's last line in memory, however long.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	p, err := Start(Spec{Path: "/usr/bin/tail", Args: []string{"-n", "1"}, Stdin: r, Stdout: out.add})
	if err != nil {
		t.Fatal(err)
	}
	before := p.PeakMemory()
	const size = 64 << 20
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	peak := p.PeakMemory()
	if before <= 0 || before > 16<<20 || peak < size*9/10 || peak > 2*size {
		t.Errorf("peak %d before, %d after taking in %d bytes", before, peak, size)
	}
	if err := p.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if got := p.PeakMemory(); got != peak {
		t.Errorf("peak %d after the end, want the last one seen, %d", got, peak)
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
	deadline := time.Now().Add(10 * time.Second)
	for {
		g, f := count()
		if g <= goroutines && f <= files {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("goroutines %d → %d, open files %d → %d", goroutines, g, files, f)
		}
		runtime.Gosched()
	}
}
