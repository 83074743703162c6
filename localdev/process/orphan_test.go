//go:build unix

package process

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// roleVar makes the test binary play a part.
const roleVar = "PROCESS_TEST_ROLE"

func spawners() map[string]spawnFunc {
	return map[string]spawnFunc{"native": spawn, "guarded": spawnGuarded}
}

func TestMain(m *testing.M) {
	var err error
	switch role := os.Getenv(roleVar); role {
	case "":
		os.Exit(m.Run())
	case "escaped":
		err = playEscaped()
	default:
		err = playParent(spawners()[role])
	}
	fmt.Println("error:", err)
	os.Exit(1)
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
	if !soon(func() bool { return gone(pid) }) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		t.Fatalf("process %d is still there", pid)
	}
}

// soon polls until the condition holds, and gives up after a while.
func soon(holds func() bool) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// The kernel's parent-death signal is sent when a thread ends.
func TestChildOutlivesTheThreadThatStartedIt(t *testing.T) {
	t.Parallel()
	for range 20 {
		var p *Process
		var err error
		var started sync.WaitGroup
		started.Go(func() {
			runtime.LockOSThread() // ends with the goroutine
			p, err = Start(shell("exec sleep 0.02"))
		})
		started.Wait()
		if err != nil {
			t.Fatal(err)
		}
		wait(t, p)
		if got := p.ExitText(); got != "exit status 0" {
			t.Errorf("ExitText() = %q", got)
		}
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
