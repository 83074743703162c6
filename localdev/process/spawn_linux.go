package process

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawn starts the child in a group of its own and asks the kernel to kill it
// when the calling thread ends, which the caller ties to the child's life. A
// stopped (SIGSTOP) child dies as well: SIGKILL needs nobody's cooperation.
func spawn(path string, argv []string, attr *os.ProcAttr) (*child, error) {
	attr.Sys = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	proc, err := os.StartProcess(path, argv, attr)
	if err != nil {
		return nil, err
	}
	return &child{proc: proc, group: proc.Pid, wait: func(ended func()) (*os.ProcessState, error) {
		// Seeing the end without reaping keeps the id taken while ended kills the group.
		for unix.Waitid(unix.P_PID, proc.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		}
		ended()
		return proc.Wait()
	}}, nil
}
