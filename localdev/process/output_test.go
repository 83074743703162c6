//go:build unix

package process

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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

// playEscaped leaves the process group, prints its id and goes on printing.
func playEscaped() error {
	if _, err := syscall.Setsid(); err != nil {
		return err
	}
	for {
		if _, err := fmt.Println(os.Getpid()); err != nil {
			return err
		}
	}
}

// A descendant that left the group holds the pipe open, and writes without end.
func TestEscapedDescendantDoesNotHoldUpDone(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	first := make(chan string, 1)
	p, err := Start(Spec{
		Path: "/bin/sh", Args: []string{"-c", `"$0" & read -r _; exit 5`, os.Args[0]}, Stdin: r, Env: []string{roleVar + "=escaped"},
		Stdout: func(b []byte) {
			select {
			case first <- string(b):
			default:
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(<-first)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil { // the shell exits
		t.Fatal(err)
	}
	wait(t, p)
	if got := p.ExitText(); got != "exit status 5" {
		t.Errorf("ExitText() = %q", got)
	}
	waitGone(t, pid) // nobody reads what it writes any more
}
