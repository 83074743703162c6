package e2e

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// children are all processes that the emulator has started.
func (a *app) children() []int {
	var pids []int
	for _, name := range []string{"OrderFunction", "StockFunction", "InventoryFunction", "BridgeFunction"} {
		pids = append(pids, a.pids(name)...)
	}
	out, err := exec.Command("pgrep", "-P", fmt.Sprint(a.PID), "redis-server|valkey-server").Output()
	if err == nil {
		var pid int
		if _, err := fmt.Sscan(string(out), &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (a *app) gone(pids []int) {
	a.t.Helper()
	a.until(fmt.Sprintf("none of the processes %v is left", pids), func() bool {
		for _, pid := range pids {
			if syscall.Kill(pid, 0) == nil {
				return false
			}
		}
		return true
	})
}

func TestCtrlCLeavesNoProcessBehind(t *testing.T) {
	needRedis(t)
	a := up(t)
	a.place("29", "001", 1)
	a.await("29")
	pids := a.children()
	if len(pids) < 6 { // order, stock, three contenders, the bridge, and Redis
		t.Fatalf("only the processes %v run", pids)
	}
	a.stop()
	a.gone(pids)
	if code := a.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("Ctrl-C ends the emulator with status %d:\n%s", code, a.out.tail(20))
	}
}

func TestKillOfTheEmulatorLeavesNoProcessBehind(t *testing.T) {
	needRedis(t)
	a := up(t)
	a.place("29", "001", 1)
	a.await("29")
	pids := a.children()
	if len(pids) < 6 {
		t.Fatalf("only the processes %v run", pids)
	}
	if err := syscall.Kill(pids[0], syscall.SIGSTOP); err != nil { // one that cannot notice by itself
		t.Fatal(err)
	}
	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-a.done
	a.gone(pids)
}

func TestATakenPortIsAClearError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for _, flag := range []string{"--port", "--lambda-port", "--page-port"} {
		args := []string{"up", "--template", "../../template.yaml", "--work-dir", t.TempDir(), "--redis", "embedded", "--port=0", "--lambda-port=0", "--page-port=0", fmt.Sprintf("%s=%d", flag, port)}
		out, err := exec.Command(localdev, args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), fmt.Sprintf("port %d is taken", port)) || !strings.Contains(string(out), flag) {
			t.Errorf("%s: %v\n%s", flag, err, out)
		}
	}
}
