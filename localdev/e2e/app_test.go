package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	startTime = 5 * time.Minute // with all functions to be built on a busy machine
	waitTime  = 2 * time.Minute // for what takes a second or two
)

var localdev, workDir string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "photofinish-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
		workDir, localdev = dir, filepath.Join(dir, "localdev")
		build := exec.Command("go", "build", "-o", localdev, "photofinish/localdev")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make does, so that the build cache serves both
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build localdev: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// app is a running emulator.
type app struct {
	t    testing.TB
	cmd  *exec.Cmd
	dir  string // its work directory
	out  *lines // what it prints
	done chan struct{}

	PID    int    `json:"pid"`
	API    string `json:"api"`
	Lambda string `json:"lambda"`
	Page   string `json:"page"`
	Addr   string `json:"redis"`

	redis  *redis.Client
	client *http.Client
}

// needRedis skips, and in CI fails, where there is no real Redis.
func needRedis(t testing.TB) {
	t.Helper()
	for _, name := range []string{"redis-server", "valkey-server"} {
		if _, err := exec.LookPath(name); err == nil {
			return
		}
	}
	const missing = "NOT TESTED end to end on a real Redis: neither redis-server nor valkey-server is on PATH (apt-get install redis-server, brew install redis)"
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
}

// up starts the emulator on free ports, with further flags, and waits until it
// says that it is up.
func up(t testing.TB, flags ...string) *app {
	t.Helper()
	a := &app{t: t, dir: t.TempDir(), done: make(chan struct{}), out: newLines(), client: &http.Client{
		Timeout: 40 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}}
	// The functions are built once for all tests; the state is of each.
	if err := os.Symlink(filepath.Join(workDir, "build"), filepath.Join(a.dir, "build")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(workDir, "build"), 0o755); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"up", "--template", "../../template.yaml", "--work-dir", a.dir, "--port", "0", "--lambda-port", "0", "--page-port", "0", "--logs", "json"}, flags...)
	a.cmd = exec.Command(localdev, args...)
	a.cmd.Stdout, a.cmd.Stderr = a.out, a.out
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C of the tests is not its own
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = a.cmd.Wait() // the status is read from ProcessState
		close(a.done)
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the emulator printed:\n%s", a.out.tail(60))
		}
		a.stop()
	})
	if !a.out.wait("Ctrl-C stops everything", a.done, startTime) {
		t.Fatalf("the emulator is not up:\n%s", a.out.tail(60))
	}
	state, err := os.ReadFile(filepath.Join(a.dir, "up.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(state, a); err != nil {
		t.Fatal(err)
	}
	a.redis = redis.NewClient(&redis.Options{Addr: a.Addr, Protocol: 2})
	t.Cleanup(func() { _ = a.redis.Close() })
	return a
}

// stop ends the emulator as Ctrl-C does, and waits.
func (a *app) stop() {
	_ = a.cmd.Process.Signal(syscall.SIGINT) // it may have ended
	select {
	case <-a.done:
	case <-time.After(waitTime):
		_ = a.cmd.Process.Kill()
		a.t.Errorf("the emulator did not stop:\n%s", a.out.tail(40))
	}
}

// order is what the API says of an order.
type order struct {
	OrderID string `json:"orderId"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Race    struct {
		Winner     string `json:"winner"`
		Fence      int64  `json:"fence"`
		Contenders int64  `json:"contenders"`
		Deliveries int64  `json:"deliveries"`
	} `json:"race"`
}

// send sends a request and returns the status and the body.
func (a *app) send(method, path, body string) (int, http.Header, []byte) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, a.API+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		a.t.Errorf("%s %s: %v", method, path, err)
		return 0, nil, nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Errorf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, resp.Header, b
}

// place places an order and requires 201.
func (a *app) place(id, sku string, quantity int) http.Header {
	a.t.Helper()
	body := fmt.Sprintf(`{"orderId":%q,"items":[{"id":%q,"quantity":%d}]}`, id, sku, quantity)
	status, header, answer := a.send(http.MethodPost, "/orders", body)
	if status != http.StatusCreated {
		a.t.Errorf("POST %s: %d %s", body, status, answer)
	}
	return header
}

// await waits for an order to end, and returns it.
func (a *app) await(id string) order {
	a.t.Helper()
	var o order
	for until := time.Now().Add(waitTime); time.Now().Before(until); {
		status, _, body := a.send(http.MethodGet, "/orders/"+id+"?wait=20s", "")
		if status != http.StatusOK {
			a.t.Fatalf("GET /orders/%s: %d %s", id, status, body)
		}
		if err := json.Unmarshal(body, &o); err != nil {
			a.t.Fatalf("GET /orders/%s: %v: %s", id, err, body)
		}
		if o.Status != "accepted" {
			return o
		}
	}
	a.t.Fatalf("order %s has not ended after %v: %+v", id, waitTime, o)
	return o
}

// drained waits until no order is waiting.
func (a *app) drained() {
	a.t.Helper()
	a.until("no order is waiting", func() bool {
		n, err := a.redis.XLen(context.Background(), "{main}:orders").Result()
		return err == nil && n == 0
	})
}

// until waits for a condition.
func (a *app) until(what string, ok func() bool) {
	a.t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(waitTime)
	for !ok() {
		select {
		case <-ticker.C:
		case <-deadline:
			a.t.Fatalf("after %v it is still not so that %s", waitTime, what)
		}
	}
}

// run runs another localdev command and returns its status and output.
func (a *app) run(args ...string) (int, string) {
	a.t.Helper()
	out, err := exec.Command(localdev, args...).CombinedOutput()
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Run returns it as it is
		return exit.ExitCode(), string(out)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return 0, string(out)
}

// report is what the audit prints.
type report struct {
	Warehouses []struct {
		Placed, Settled, Rejected, Dead, Waiting, Receipts, Locks int
	} `json:"warehouses"`
	Findings []struct{ Order, SKU, Problem string } `json:"findings"`
}

// audit requires that exactly-once holds, and returns the report.
func (a *app) audit() report {
	a.t.Helper()
	status, out := a.run("audit", "--redis", a.Addr, "--json")
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		a.t.Fatalf("audit: %v: %s", err, out)
	}
	if status != 0 || len(r.Findings) > 0 {
		a.t.Fatalf("the audit exits with %d: %+v", status, r.Findings)
	}
	return r
}

// scale sets how many bridges run.
func (a *app) scale(n int) {
	a.t.Helper()
	resp, err := a.client.Post(a.Page+"/api/services/BridgeFunction/scale", "application/json", strings.NewReader(fmt.Sprintf(`{"count":%d}`, n)))
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode >= http.StatusBadRequest {
		a.t.Fatalf("scale: %s %s", resp.Status, body)
	}
	a.until(fmt.Sprintf("%d bridges run", n), func() bool { return len(a.pids("BridgeFunction")) == n })
}

// outcomes counts the outcomes that contenders have logged of an order, or of
// all orders.
func (a *app) outcomes(id string) map[string]int {
	counts := map[string]int{}
	for _, line := range a.out.all() {
		var l struct{ Order, Outcome string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Outcome != "" && (id == "" || l.Order == id) {
			counts[l.Outcome]++
		}
	}
	return counts
}

// lines keeps what a process prints.
type lines struct {
	mu      sync.Mutex
	partial []byte
	list    []string
	added   chan struct{}
}

func newLines() *lines { return &lines{added: make(chan struct{})} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	whole := slices.Concat(l.partial, p)
	for {
		line, rest, ok := bytes.Cut(whole, []byte("\n"))
		if !ok {
			break
		}
		l.list = append(l.list, string(line))
		whole = rest
	}
	l.partial = bytes.Clone(whole)
	close(l.added)
	l.added = make(chan struct{})
	return len(p), nil
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list[:len(l.list):len(l.list)]
}

func (l *lines) tail(n int) string {
	list := l.all()
	return strings.Join(list[max(0, len(list)-n):], "\n")
}

// wait waits for a line that contains a text. It reports false when the process
// has ended or the time is up.
func (l *lines) wait(text string, done <-chan struct{}, atMost time.Duration) bool {
	timeout := time.After(atMost)
	for {
		l.mu.Lock()
		added := l.added
		l.mu.Unlock()
		for _, line := range l.all() {
			if strings.Contains(line, text) {
				return true
			}
		}
		select {
		case <-added:
		case <-done:
			return false
		case <-timeout:
			return false
		}
	}
}

// pids are the processes of a function or service, by the folder that their
// program was built in.
func (a *app) pids(name string) []int {
	a.t.Helper()
	out, err := exec.Command("ps", "-axo", "pid=,ppid=,stat=,args=").Output()
	if err != nil {
		a.t.Fatal(err)
	}
	var pids []int
	scan := bufio.NewScanner(bytes.NewReader(out))
	for scan.Scan() {
		var pid, ppid int
		var stat, args string
		if _, err := fmt.Sscan(scan.Text(), &pid, &ppid, &stat, &args); err != nil {
			continue
		}
		if ppid == a.PID && !strings.HasPrefix(stat, "Z") && strings.Contains(args, name+"/bootstrap") {
			pids = append(pids, pid)
		}
	}
	return pids
}
