//go:build unix

// Package process starts child processes that never outlive the program that
// started them, however that program ends.
//
// Every child leads a process group of its own (or, where the system cannot
// bind a child to its parent's life, a guarded group; see spawn_guarded.go).
// Signals go to the whole group, and what is left of the group is killed when
// the child ends, so a child's own children go with it. (One case remains: if
// this program is killed by SIGKILL, Linux kills its children, but not theirs.)
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	// drainTime is how long the output of an ended child is still read. The
	// pipes close with the group; only a descendant that left the group can
	// hold them open, and nobody waits for that one.
	drainTime = 500 * time.Millisecond
	// killTime is how long Stop waits for SIGKILL to take effect. Only a
	// child stuck inside the kernel needs longer.
	killTime = 5 * time.Second
)

// ErrStillRunning is returned by Stop for a child that SIGKILL did not end in time.
var ErrStillRunning = errors.New("process: still running after SIGKILL")

// Spec says what to run.
type Spec struct {
	// Path is the program. It is not searched for in PATH; a relative path
	// starts at this program's working directory, not at Dir.
	Path string
	// Args are the arguments after the program's name.
	Args []string
	// Dir is the child's working directory; empty means this program's.
	Dir string
	// Env is the child's whole environment ("NAME=value"); nil means none at
	// all, never this program's.
	Env []string
	// Stdin is the child's input; nil means none (/dev/null).
	Stdin *os.File
	// Stdout and Stderr receive the child's output line by line, without the
	// newline. Calls for one stream never overlap and keep its order. The
	// slice is only valid during the call. nil discards the stream.
	Stdout, Stderr func(line []byte)
	// MaxLine is the longest line in bytes; a longer one arrives in several
	// pieces. 0 means 256 KiB.
	MaxLine int
}

// Process is a started child. All methods may be called at any time from any goroutine.
type Process struct {
	pid   int
	group int

	streams []*stream
	done    chan struct{}
	text    string // valid once done is closed

	mu     sync.Mutex
	ended  bool // the child has ended, and its group's id may be someone else's
	vitals *vitals
}

// Start starts the child. The error is the system's: no such program, not
// executable, no such directory, too many processes.
func Start(spec Spec) (*Process, error) { return start(spec, spawn) }

func start(spec Spec, spawn spawnFunc) (*Process, error) {
	path, err := filepath.Abs(spec.Path)
	if err != nil {
		return nil, fmt.Errorf("process: start %s: %w", spec.Path, err)
	}
	p := &Process{done: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(path, spec, spawn, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("process: start %s: %w", spec.Path, err)
	}
	return p, nil
}

// run starts the child and waits for it, on one thread. Linux sends a child its
// parent-death signal when the thread that forked it ends (golang/go#27505), so
// that thread has to live as long as the child. Waiting occupies a thread
// anyway; making it the same one costs nothing and keeps no global spawner. The
// goroutine ends locked, which ends the thread with it.
func (p *Process) run(path string, spec Spec, spawn spawnFunc, started chan<- error) {
	runtime.LockOSThread()
	files, err := p.open(spec)
	if err != nil {
		started <- err
		return
	}
	env := spec.Env
	if env == nil {
		env = []string{}
	}
	c, err := spawn(path, append([]string{spec.Path}, spec.Args...), &os.ProcAttr{Dir: spec.Dir, Env: env, Files: files.child})
	files.closeChild()
	if err != nil {
		p.closeStreams()
		started <- err
		return
	}
	p.pid, p.group, p.vitals = c.proc.Pid, c.group, openVitals(c.proc.Pid)

	var pumps sync.WaitGroup
	for _, s := range p.streams {
		pumps.Go(s.pump)
	}
	started <- nil

	state, err := c.wait(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended = true
		p.vitals.close()
		_ = syscall.Kill(-p.group, syscall.SIGKILL) // ESRCH: nobody is left
	})
	if p.text = "unknown exit status"; err == nil {
		p.text = state.String()
	} else {
		p.text += ": " + err.Error()
	}

	late := time.AfterFunc(drainTime, p.closeStreams)
	pumps.Wait()
	late.Stop()
	p.closeStreams()
	close(p.done)
}

// PID returns the child's process id.
func (p *Process) PID() int { return p.pid }

// Done is closed once the child has ended and all its output has been delivered.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitText says how the child ended, as Go prints it: "exit status 3",
// "signal: killed". It is empty until Done.
func (p *Process) ExitText() string {
	select {
	case <-p.done:
		return p.text
	default:
		return ""
	}
}

// Signal sends sig to the child's group. It returns os.ErrProcessDone once the
// child has ended.
func (p *Process) Signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return os.ErrProcessDone
	}
	if err := syscall.Kill(-p.group, sig); err != nil {
		return fmt.Errorf("process: signal %v to group %d: %w", sig, p.group, err)
	}
	return nil
}

// Kill sends SIGKILL to the child's group. It does not wait.
func (p *Process) Kill() error { return p.Signal(syscall.SIGKILL) }

// Stop ends the child: SIGTERM to its group, and SIGKILL if it has not ended
// after grace or when ctx ends. A grace of 0 sends SIGKILL at once. Stop returns
// after Done, or with ErrStillRunning.
func (p *Process) Stop(ctx context.Context, grace time.Duration) error {
	if grace > 0 && p.Signal(syscall.SIGTERM) == nil {
		_ = p.Signal(syscall.SIGCONT) // a stopped child could not obey
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-p.done:
			return nil
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timer := time.NewTimer(killTime)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		return fmt.Errorf("%w: pid %d", ErrStillRunning, p.pid)
	}
}

// Alive reports whether the child runs and, on Linux, no fatal signal is on its
// way to it. A process keeps existing for a moment after kill(2) returned, and
// everything handed to it in that moment is lost; this tells it from a living one.
func (p *Process) Alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.ended && p.vitals.alive()
}

// PeakMemory returns the child's largest resident size so far, in bytes; after
// the child's end, the last one that was asked for. On systems other than Linux
// it is the largest of the samples taken, at most one a second, when asked for.
func (p *Process) PeakMemory() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return p.vitals.peak
	}
	return p.vitals.peakMemory()
}

// Flush delivers everything the child wrote before the call, including text
// that no newline ends yet. It returns after the callbacks have.
func (p *Process) Flush() {
	for _, s := range p.streams {
		s.flush()
	}
}
