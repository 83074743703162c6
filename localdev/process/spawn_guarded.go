//go:build unix

package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// child is a started process and the group that signals for it go to.
type child struct {
	proc  *os.Process
	group int
	// wait blocks until proc has ended and calls ended while the group's id
	// cannot have been given to anyone else.
	wait func(ended func()) (*os.ProcessState, error)
}

// spawnFunc starts path in the given surroundings, which it may add to.
type spawnFunc func(path string, argv []string, attr *os.ProcAttr) (*child, error)

// guardScript waits for the end of its input, which comes when the parent
// dies, and kills the group $1. It does so twice, for a child that was being
// forked at that very moment and entered the group late.
const guardScript = `read -r _; kill -s KILL -- "-$1"; sleep 1; kill -s KILL -- "-$1"`

// spawnGuarded starts a child that a guard kills when this program dies, for
// systems without a parent-death signal. Two shells read from a pipe that only
// this program can write to:
//
//   - the anchor leads the process group. It comes first, so the group exists,
//     and the guard knows it, before the child is born into it: there is no
//     moment at which this program's death would leave the child alive. Not
//     being reaped before the child also keeps the group's id from being reused.
//   - the guard kills the group when the pipe ends. It stays outside the group,
//     so that stopping the group (SIGSTOP) does not stop it.
//
// The child itself is started directly: its id, exit status, environment and
// the error of a failed start are its own and not a wrapper's.
func spawnGuarded(path string, argv []string, attr *os.ProcAttr) (_ *child, err error) {
	alive, ours, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	defer func() { _ = alive.Close() }()
	anchor, err := startShell(alive, `read -r _`)
	if err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("guard: %w", err)
	}
	group := strconv.Itoa(anchor.Pid)
	guard, err := startShell(alive, guardScript, group)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("guard: %w", err), end(anchor), ours.Close())
	}
	attr.Sys = &syscall.SysProcAttr{Setpgid: true, Pgid: anchor.Pid}
	proc, err := os.StartProcess(path, argv, attr)
	if err != nil {
		return nil, errors.Join(err, end(guard), end(anchor), ours.Close())
	}
	return &child{proc: proc, group: anchor.Pid, wait: func(ended func()) (*os.ProcessState, error) {
		state, err := proc.Wait()
		ended()
		return state, errors.Join(err, end(guard), end(anchor), ours.Close())
	}}, nil
}

// startShell runs a script in a group of its own, reading from in.
func startShell(in *os.File, script string, args ...string) (*os.Process, error) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }()
	return os.StartProcess("/bin/sh", append([]string{"sh", "-c", script, "sh"}, args...), &os.ProcAttr{
		Env:   []string{"PATH=/usr/bin:/bin"},
		Files: []*os.File{in, null, null},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
}

// end kills and reaps a shell of ours.
func end(p *os.Process) error {
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	_, err := p.Wait()
	return err
}
