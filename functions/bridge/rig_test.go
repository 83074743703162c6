package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
	"photofinish/shared/order"
	"photofinish/shared/stock"
	"photofinish/shared/telemetry"
)

const patience = 60 * time.Second // for what happens in milliseconds on an idle machine

// quick are settings with which what takes seconds in production takes
// milliseconds.
func quick() settings {
	return settings{
		Warehouses: []string{"main"}, Function: "inventory", Channel: "order_updates",
		Fanout: 3, FanoutMode: "race", InFlight: 4, BatchMax: 128,
		InvokeTimeout: patience, MaxDeliveries: 3,
		RedeliverAt: 50 * time.Millisecond, BackoffBase: 20 * time.Millisecond, BackoffMax: 80 * time.Millisecond,
	}
}

// shop is a warehouse with goods on hand.
type shop struct {
	rdb    *redis.Client
	engine *claim.Engine
}

func newShop(t *testing.T, rdb *redis.Client, warehouse string) *shop {
	t.Helper()
	engine, err := claim.Open(rdb, warehouse, claim.Options{MaxDeliveries: 3})
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{rdb, engine}
	s.fill(t)
	return s
}

func (s *shop) fill(t *testing.T) {
	t.Helper()
	if err := s.rdb.HSet(t.Context(), stock.Key(s.warehouse()), "001", 1_000_000, "bad", "abc").Err(); err != nil {
		t.Fatal(err)
	}
}

func (s *shop) warehouse() string { return s.engine.Keys().Partition() }

func (s *shop) order(id, sku string) order.Order {
	return order.Order{ID: id, Warehouse: s.warehouse(), Items: []order.Item{{SKU: sku, Quantity: 1}}}
}

// place places orders of one piece of a SKU.
func (s *shop) place(t *testing.T, sku string, ids ...string) {
	t.Helper()
	var ps []claim.Placement
	for _, id := range ids {
		o := s.order(id, sku)
		ps = append(ps, claim.Placement{ID: id, Fingerprint: o.Fingerprint(), Message: o.Message()})
	}
	placed, err := s.engine.PlaceAll(t.Context(), ps)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range placed {
		if p.Verdict != claim.Placed {
			t.Fatalf("place %s: %v", ids[i], p)
		}
	}
}

// ids are n names of orders.
func ids(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	return all
}

func (s *shop) record(t *testing.T, id string) claim.Record {
	t.Helper()
	r, ok, err := s.engine.Lookup(t.Context(), id)
	if err != nil || !ok {
		t.Fatalf("record of %s: %v, %v", id, ok, err)
	}
	return r
}

// state is "" for an order that is not on record.
func (s *shop) state(id string) claim.State {
	r, _, err := s.engine.Lookup(context.Background(), id)
	if err != nil {
		return ""
	}
	return r.State
}

// settled waits until orders are settled, and requires that each took from the
// stock once.
func (s *shop) settled(t *testing.T, ids ...string) {
	t.Helper()
	for _, id := range ids {
		until(t, id+" to be settled", func() bool { return s.state(id) == claim.Settled })
	}
	entries, err := s.rdb.XRange(t.Context(), stock.Ledger(s.warehouse()), "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, e := range entries {
		m, err := stock.ParseMovement(e)
		if err != nil {
			t.Fatal(err)
		}
		times[m.Order]++
	}
	for _, id := range ids {
		if times[id] != 1 {
			t.Errorf("%s took from the stock %d times", id, times[id])
		}
	}
}

// buried waits until there are as many dead letters, and returns their reasons.
func (s *shop) buried(t *testing.T, n int) map[string]string {
	t.Helper()
	reasons := map[string]string{}
	until(t, fmt.Sprint(n, " dead letters"), func() bool {
		letters, err := s.engine.Letters(t.Context(), "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		clear(reasons)
		for _, l := range letters {
			reasons[l.ID] = l.Reason
		}
		return len(letters) >= n
	})
	if len(reasons) != n {
		t.Fatalf("dead letters %v, want %d", reasons, n)
	}
	return reasons
}

// empty waits until nothing is left in the stream or pending.
func (s *shop) empty(t *testing.T) {
	t.Helper()
	until(t, "the stream to be empty", func() bool {
		n, err := s.engine.Backlog(t.Context())
		return err == nil && n == 0 && len(s.pending(t)) == 0
	})
}

func (s *shop) pending(t *testing.T) []claim.Pending {
	t.Helper()
	ps, err := s.engine.Queue("observer").Pending(t.Context(), 0, "", 1000)
	if err != nil && !claim.NoGroup(err) {
		t.Fatal(err)
	}
	return ps
}

func (s *shop) consumers(t *testing.T) []redis.XInfoConsumer {
	t.Helper()
	cs, err := s.rdb.XInfoConsumers(t.Context(), s.engine.Keys().Stream(), s.engine.Options().Group).Result()
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

// until polls for a condition that somebody else brings about.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !met(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// racer is a contender inside the test: the inventory function's way with the
// real engine, and a place to make things go wrong.
type racer struct {
	lease time.Duration
	open  func(warehouse string) *claim.Engine
	// claimed is called with what was won; an error is how the contender ends.
	claimed func(owner string, won []claim.Claimed) error
}

func (s *shop) racer() *racer { return racerOn(s.rdb, 10*time.Second) }

func racerOn(rdb redis.UniversalClient, lease time.Duration) *racer {
	return &racer{lease: lease, open: func(warehouse string) *claim.Engine {
		e, err := claim.Open(rdb, warehouse, claim.Options{MaxDeliveries: 3})
		if err != nil {
			panic(err)
		}
		return e
	}}
}

func (r *racer) race(ctx context.Context, b delivery.Batch) (delivery.Answer, error) {
	engine := r.open(b.Warehouse)
	owner := fmt.Sprintf("racer-%d-%d", b.Lane, time.Now().UnixNano())
	answer := delivery.Answer{Contender: owner}
	claims, err := engine.Claim(ctx, owner, r.lease, b.Deliveries)
	if err != nil {
		return answer, &delivery.UnavailableError{Err: err}
	}
	var won []claim.Claimed
	entries := map[string]string{}
	for i, c := range claims {
		entries[c.ID] = b.Deliveries[i].Entry
		if c.Outcome == claim.Won {
			won = append(won, c)
			continue
		}
		answer.Outcomes = append(answer.Outcomes, delivery.Outcome{Order: c.ID, Entry: b.Deliveries[i].Entry, Outcome: c.Outcome, Status: c.State, Owner: c.Holder, LeftMS: c.Left.Milliseconds()})
	}
	if r.claimed != nil {
		if err := r.claimed(owner, won); err != nil {
			return answer, err
		}
	}
	var settlements []claim.Settlement
	for _, c := range won {
		items, err := order.Items(c.Message)
		if err != nil {
			return answer, err
		}
		settlements = append(settlements, stock.Settlement(b.Warehouse, claim.Held{ID: c.ID, Fence: c.Fence}, items))
	}
	ends, err := engine.Settle(ctx, owner, stock.Take, settlements)
	if err != nil {
		return answer, &delivery.UnavailableError{Err: err}
	}
	for i, end := range ends {
		out := delivery.Outcome{Order: end.ID, Entry: entries[end.ID], Outcome: end.Outcome, Status: end.State, Fence: settlements[i].Fence, Reason: end.Reason}
		if end.Outcome == claim.Failed {
			released, err := engine.Release(ctx, owner, []claim.Failure{{Held: settlements[i].Held, Reason: end.Reason}})
			if err != nil {
				return answer, &delivery.UnavailableError{Err: err}
			}
			if released[0].Buried {
				out.Status = claim.Dead
			}
		}
		answer.Outcomes = append(answer.Outcomes, out)
	}
	return answer, nil
}

// crash is the end of a contender that did not answer.
type crash struct{}

func (crash) Error() string { return "RequestId: 1 Error: Runtime exited with error: exit status 1" }

// lambdaAnswer is what Lambda makes of a contender's answer.
func lambdaAnswer(a delivery.Answer, err error) (*lambda.InvokeOutput, error) {
	var body any = a
	out := &lambda.InvokeOutput{StatusCode: 200}
	switch err := err.(type) { //nolint:errorlint // as Lambda does
	case nil:
	case crash:
		out.FunctionError = aws.String("Unhandled")
		body = map[string]string{"errorType": "Runtime.ExitError", "errorMessage": err.Error()}
	case *delivery.UnavailableError:
		out.FunctionError = aws.String("Unhandled")
		body = map[string]string{"errorType": delivery.UnavailableType, "errorMessage": err.Error()}
	default:
		return nil, err
	}
	var encoding error
	out.Payload, encoding = json.Marshal(body)
	return out, encoding
}

// invocations collects the batches that were handed out.
type invocations struct {
	mu  sync.Mutex
	all []delivery.Batch
}

func (i *invocations) add(b delivery.Batch) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.all = append(i.all, b)
}

func (i *invocations) batches() []delivery.Batch {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]delivery.Batch(nil), i.all...)
}

func (i *invocations) count() int { return len(i.batches()) }

// contend makes contenders of a function that stands for one.
func contend(s settings, race func(ctx context.Context, b delivery.Batch) (delivery.Answer, error)) (*contenders, *invocations) {
	seen := &invocations{}
	return &contenders{
		function: s.Function, timeout: s.InvokeTimeout,
		latency: hdrhistogram.New(1, time.Hour.Milliseconds(), 2),
		invoke: func(ctx context.Context, payload []byte) (*lambda.InvokeOutput, error) {
			var b delivery.Batch
			if err := json.Unmarshal(payload, &b); err != nil {
				return nil, err
			}
			seen.add(b)
			return lambdaAnswer(race(ctx, b))
		},
	}, seen
}

// bridge is a bridge at work.
type bridge struct {
	log   *logs
	end   context.CancelFunc
	ended chan error
}

// start runs a bridge until stop is called, or the test ends.
func start(t *testing.T, rdb redis.UniversalClient, s settings, c *contenders) *bridge {
	t.Helper()
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &bridge{log: &logs{}, end: cancel, ended: make(chan error, 1)}
	go func() {
		b.ended <- serve(ctx, rdb, c, s, b.log.logger())
		close(b.ended) // a second stop finds nil
	}()
	t.Cleanup(func() {
		b.stop(t)
		if t.Failed() {
			t.Logf("log of the bridge:\n%s", b.log.tail())
		}
	})
	return b
}

// stop tells the bridge to stop and waits until it has.
func (b *bridge) stop(t *testing.T) {
	t.Helper()
	b.end()
	select {
	case err := <-b.ended:
		if err != nil {
			t.Errorf("the bridge ended with %v", err)
		}
	case <-time.After(patience):
		t.Errorf("the bridge did not stop within %v", patience)
	}
}

// logs collects what a bridge logs.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) logger() *slog.Logger { return telemetry.New(l, "bridge", telemetry.Settings{}) }

type line map[string]any

// lines are the lines with a message.
func (l *logs) lines(t *testing.T, msg string) (found []line) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for text := range strings.Lines(l.buf.String()) {
		var one line
		if err := json.Unmarshal([]byte(text), &one); err != nil {
			t.Fatalf("a log line is not JSON: %v: %s", err, text)
		}
		if one["msg"] == msg {
			found = append(found, one)
		}
	}
	return found
}

func (l *logs) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.buf.Bytes()
	return string(text[max(0, len(text)-4000):])
}
