package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// load places orders, 16 at a time, of one unit each over the demo SKUs, and
// every tenth of them twice. It returns when all are accepted.
func load(a *app, name string, n int) {
	a.t.Helper()
	const clients = 16
	var next atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				id, sku := fmt.Sprintf("%s-%04d", name, i), fmt.Sprintf("%03d", 1+i%10)
				a.place(id, sku, 1)
				if i%10 == 0 && a.place(id, sku, 1).Get("Idempotent-Replayed") != "true" {
					a.t.Errorf("the second POST of %s is not marked as replayed", id)
				}
			}
		})
	}
	wg.Wait()
}

// settled requires that n orders settled, each once, and nothing else happened.
func settled(a *app, n int) {
	a.t.Helper()
	a.drained()
	r := a.audit()
	w := r.Warehouses[0]
	if w.Placed != n || w.Settled != n || w.Locks != 0 {
		a.t.Fatalf("%d orders were placed, the audit says %+v", n, w)
	}
	// The article's check: one winner for each order, by the logs. A winner that
	// is killed may not get to log it, so never more than one.
	winners := map[string]int{}
	for _, line := range a.out.all() {
		if _, after, ok := strings.Cut(line, `"order":"`); ok && strings.Contains(line, `"outcome":"settled"`) {
			id, _, _ := strings.Cut(after, `"`)
			if winners[id]++; winners[id] > 1 {
				a.t.Fatalf("order %s has %d winners by the logs", id, winners[id])
			}
		}
	}
}

// a: orders, some of them sent twice.
func TestEveryOrderSettlesOnce(t *testing.T) {
	needRedis(t)
	a := up(t)
	load(a, "a", 1000)
	settled(a, 1000)
	if won := a.outcomes("")["settled"]; won != 1000 {
		t.Errorf("%d winners are logged, want 1000", won)
	}
	for _, id := range []string{"a-0000", "a-0999"} {
		if o := a.await(id); o.Status != "settled" || o.Race.Fence < 1 || o.Race.Winner == "" || o.Race.Deliveries < 1 {
			t.Errorf("order %s: %+v", id, o)
		}
	}
	if status, _, body := a.send(http.MethodGet, "/inventory/001", ""); status != http.StatusOK || !strings.Contains(string(body), `"onHand":900`) {
		t.Errorf("GET /inventory/001: %d %s, want 1000 − 100 on hand", status, body)
	}
}

func TestEveryOrderSettlesOnceOnTheEmbeddedRedis(t *testing.T) {
	a := up(t, "--redis", "embedded")
	load(a, "g", 200)
	settled(a, 200)
}

func TestTheRaceHasThreeContenders(t *testing.T) {
	needRedis(t)
	a := up(t)
	status, header, body := a.send(http.MethodPost, "/orders", `{"orderId":"29","items":[{"id":"001","quantity":2},{"id":"002","quantity":1}]}`)
	if want := `{"orderId":"29","status":"accepted","message":"Order placed successfully"}`; status != http.StatusCreated || strings.TrimSpace(string(body)) != want || header.Get("Location") != "/orders/29" {
		t.Fatalf("POST /orders: %d %v %s", status, header, body)
	}
	if o := a.await("29"); o.Status != "settled" || o.Race.Fence != 1 || o.Race.Deliveries != 1 {
		t.Fatalf("order 29: %+v", o)
	}
	a.until("three contenders have logged an outcome", func() bool {
		n := 0
		for _, count := range a.outcomes("29") {
			n += count
		}
		return n == 3
	})
	if got := a.outcomes("29"); got["settled"] != 1 || got["busy"]+got["already"] != 2 {
		t.Errorf("outcomes %v, want one winner and two that skipped", got)
	}
	if n := len(a.pids("InventoryFunction")); n != 3 {
		t.Errorf("%d inventory processes run, want 3", n)
	}
}

// b: contenders are killed at random, and one is frozen past its lease.
func TestContendersAreKilledAndFrozen(t *testing.T) {
	needRedis(t)
	a := up(t, "--parameter", "ProcessingTime=200ms", "--parameter", "LockTtl=1s")
	ctx, stop := context.WithCancel(context.Background())
	var chaos sync.WaitGroup
	var kills atomic.Int64
	chaos.Go(func() {
		ticker := time.NewTicker(150 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			if pids := a.pids("InventoryFunction"); len(pids) > 0 {
				if syscall.Kill(pids[rand.N(len(pids))], syscall.SIGKILL) == nil {
					kills.Add(1)
				}
			}
			<-ticker.C
		}
	})
	load(a, "b", 1000)
	a.until("ten contenders were killed", func() bool { return kills.Load() >= 10 })
	stop()
	chaos.Wait()
	a.drained()

	// One is frozen while it holds a lock, for longer than the lease: another
	// settles the order meanwhile, and the frozen one, woken, finds that it lost.
	contenders := a.contenders()
	a.place("frozen", "001", 1)
	winner := a.holder("frozen", contenders)
	if err := syscall.Kill(winner, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if o := a.await("frozen"); o.Status != "settled" || o.Race.Fence != 2 {
		t.Errorf("the order of the frozen winner: %+v, want that a second claim settled it", o)
	}
	if err := syscall.Kill(winner, syscall.SIGCONT); err != nil {
		t.Fatalf("the frozen contender did not live to be woken: %v", err)
	}
	a.until("the woken one says that it has lost, or that another was first", func() bool {
		got := a.outcomes("frozen")
		return got["lost"]+got["already"] > 0
	})
	settled(a, 1001)
	t.Logf("%d contenders killed; outcomes %v", kills.Load(), a.outcomes(""))
}

// contenders are the processes of the inventory function, by the end of their log
// stream's name, with which a contender's own name begins.
func (a *app) contenders() map[string]int {
	a.t.Helper()
	found := map[string]int{}
	for _, pid := range a.pids("InventoryFunction") {
		env, err := exec.Command("ps", "eww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
		if err != nil {
			continue // it has ended
		}
		_, stream, _ := strings.Cut(string(env), "AWS_LAMBDA_LOG_STREAM_NAME=")
		stream, _, _ = strings.Cut(stream, " ")
		found[stream[max(0, len(stream)-6):]] = pid
	}
	return found
}

// holder waits until one of the contenders holds the lock of an order.
func (a *app) holder(id string, contenders map[string]int) (pid int) {
	a.t.Helper()
	for until := time.Now().Add(waitTime); time.Now().Before(until); {
		lock, err := a.redis.Get(context.Background(), "{main}:lock:"+id).Result()
		if err != nil {
			continue // not claimed yet
		}
		_, owner, _ := strings.Cut(lock, ":")
		if pid, ok := contenders[owner[:min(6, len(owner))]]; ok {
			return pid
		}
		a.t.Fatalf("the lock of %s is held by %s, which is none of %v", id, lock, contenders)
	}
	a.t.Fatalf("no contender holds the lock of %s", id)
	return 0
}

// c: bridges are killed, and orders arrive while there is none.
func TestBridgesAreKilledAndMissing(t *testing.T) {
	needRedis(t)
	a := up(t, "--scale", "BridgeFunction=2")
	ctx, stop := context.WithCancel(context.Background())
	var chaos sync.WaitGroup
	var kills atomic.Int64
	chaos.Go(func() {
		ticker := time.NewTicker(400 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			if pids := a.pids("BridgeFunction"); len(pids) > 0 {
				if syscall.Kill(pids[rand.N(len(pids))], syscall.SIGKILL) == nil {
					kills.Add(1)
				}
			}
			<-ticker.C
		}
	})
	load(a, "c", 1000)
	a.until("three bridges were killed", func() bool { return kills.Load() >= 3 })
	stop()
	chaos.Wait()
	a.drained()

	a.scale(0)
	for i := range 50 {
		a.place(fmt.Sprintf("nobody-%02d", i), "001", 1)
	}
	if n, err := a.redis.XLen(context.Background(), "{main}:orders").Result(); err != nil || n != 50 {
		t.Fatalf("%d orders wait without a bridge, %v; want 50", n, err)
	}
	a.scale(1)
	settled(a, 1050)
	t.Logf("%d bridges killed", kills.Load())
}

// d: an order that cannot be processed becomes a dead letter; others go on.
func TestPoisonOrderIsBuriedAndRedriven(t *testing.T) {
	needRedis(t)
	a := up(t)
	ctx := context.Background()
	if err := a.redis.HSet(ctx, "{main}:stock", "666", "a few").Err(); err != nil {
		t.Fatal(err)
	}
	a.place("before", "001", 1)
	a.place("poison", "666", 1)
	a.place("after", "001", 1)
	for _, id := range []string{"before", "after"} {
		if o := a.await(id); o.Status != "settled" {
			t.Errorf("order %s: %+v", id, o)
		}
	}
	dead := a.await("poison")
	if dead.Status != "dead" || !strings.Contains(dead.Reason, "the stock of 666 is not a whole number") {
		t.Fatalf("the poison order: %+v", dead)
	}
	if status, out := a.run("audit", "--redis", a.Addr); status != 1 || !strings.Contains(out, `SKU 666: "a few" is on hand`) {
		t.Errorf("the audit of a corrupted level exits with %d:\n%s", status, out)
	}
	if status, out := a.run("claims", "dead", "--redis", a.Addr); status != 0 || !strings.Contains(out, "poison") || !strings.Contains(out, "not a whole number") {
		t.Errorf("claims dead exits with %d:\n%s", status, out)
	}

	if err := a.redis.HDel(ctx, "{main}:stock", "666").Err(); err != nil {
		t.Fatal(err)
	}
	if status, _, body := a.send(http.MethodPost, "/inventory/666/receipts", `{"receiptId":"in-666","quantity":5}`); status != http.StatusCreated {
		t.Fatalf("receipt: %d %s", status, body)
	}
	if status, out := a.run("claims", "redrive", "poison", "--redis", a.Addr); status != 0 {
		t.Fatalf("redrive exits with %d:\n%s", status, out)
	}
	if o := a.await("poison"); o.Status != "settled" {
		t.Fatalf("the redriven order: %+v", o)
	}
	settled(a, 3)
}

// e: what a plain Pub/Sub order service publishes is processed once as well.
func TestMessagesOfOthersAreAdmittedOnce(t *testing.T) {
	needRedis(t)
	a := up(t, "--scale", "BridgeFunction=2")
	a.until("two bridges listen", func() bool {
		n, err := a.redis.PubSubNumSub(context.Background(), "order_updates").Result()
		return err == nil && n["order_updates"] == 2
	})
	publish := func(message string) {
		t.Helper()
		if err := a.redis.Publish(context.Background(), "order_updates", message).Err(); err != nil {
			t.Fatal(err)
		}
	}
	const n = 50
	for i := range n {
		for range 1 + i%3 { // some are sent again
			publish(fmt.Sprintf(`{"id":"1719300000000","orderId":"e-%02d","items":[{"id":"001","quantity":2},{"id":"002","quantity":1}]}`, i))
		}
	}
	for _, garbage := range []string{"xx", "null", "[]", `"` + strings.Repeat("x", 1<<20) + `"`} {
		publish(garbage)
	}
	// Two that only have an id, in one millisecond; and an orderId used again.
	publish(`{"id":"1719300000001","items":[{"id":"003","quantity":1}]}`)
	publish(`{"id":"1719300000001","items":[{"id":"004","quantity":1}]}`)
	publish(`{"orderId":"e-00","items":[{"id":"005","quantity":7}]}`)
	a.until("all are on record", func() bool {
		keys, err := a.redis.Keys(context.Background(), "{main}:order:*").Result()
		return err == nil && len(keys) == n+3
	})
	a.drained()
	r := a.audit()
	if w := r.Warehouses[0]; w.Settled != n+2 || w.Dead != 1 {
		t.Errorf("the audit says %+v, want %d settled and 1 dead", w, n+2)
	}
	for i := range n {
		if o := a.await(fmt.Sprintf("e-%02d", i)); o.Status != "settled" {
			t.Errorf("order e-%02d: %+v", i, o)
		}
	}
	if status, out := a.run("claims", "dead", "--redis", a.Addr); status != 0 || !strings.Contains(out, "order id e-00 was used before for other content") {
		t.Errorf("claims dead exits with %d:\n%s", status, out)
	}
	if !a.out.wait(`"msg":"message dropped"`, a.done, waitTime) {
		t.Error("no dropped message is logged")
	}
}
