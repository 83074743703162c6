package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
	"photofinish/shared/order"
	"photofinish/shared/redistest"
	"photofinish/shared/stock"
	"photofinish/shared/telemetry"
)

const patience = 30 * time.Second // for what happens in milliseconds on an idle machine

// shop is a warehouse with goods on hand, and what a bridge does with its orders.
type shop struct {
	rdb    *redis.Client
	engine *claim.Engine
	queue  *claim.Queue
}

func newShop(t *testing.T, rdb *redis.Client) *shop {
	t.Helper()
	engine, err := claim.Open(rdb, "main", claim.Options{MaxDeliveries: 3})
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{rdb: rdb, engine: engine, queue: engine.Queue("bridge")}
	if err := s.queue.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := rdb.HSet(t.Context(), stock.Key("main"), "001", 1000, "few", 1).Err(); err != nil {
		t.Fatal(err)
	}
	return s
}

// place places an order of two pieces of a SKU.
func (s *shop) place(t *testing.T, id, sku string) {
	t.Helper()
	o := order.Order{ID: id, Warehouse: "main", Items: []order.Item{{SKU: sku, Quantity: 2}}}
	placed, err := s.engine.Place(t.Context(), claim.Placement{ID: id, Fingerprint: o.Fingerprint(), Message: o.Message()})
	if err != nil || placed.Verdict != claim.Placed {
		t.Fatalf("place %s: %v, %v", id, placed, err)
	}
}

// batch delivers what was placed.
func (s *shop) batch(t *testing.T) delivery.Batch {
	t.Helper()
	ds, err := s.queue.Read(t.Context(), delivery.MaxBatch, -1)
	if err != nil {
		t.Fatal(err)
	}
	return delivery.Batch{Warehouse: "main", Contenders: 1, Deliveries: ds}
}

// again delivers what is pending once more.
func (s *shop) again(t *testing.T) delivery.Batch {
	t.Helper()
	pending, err := s.queue.Pending(t.Context(), 0, "", delivery.MaxBatch)
	if err != nil {
		t.Fatal(err)
	}
	ds, err := s.queue.Take(t.Context(), pending)
	if err != nil {
		t.Fatal(err)
	}
	return delivery.Batch{Warehouse: "main", Contenders: 1, Deliveries: ds}
}

func (s *shop) record(t *testing.T, id string) claim.Record {
	t.Helper()
	r, ok, err := s.engine.Lookup(t.Context(), id)
	if err != nil || !ok {
		t.Fatalf("record of %s: %v, %v", id, ok, err)
	}
	return r
}

// moved tells how often each order took something from the stock.
func (s *shop) moved(t *testing.T) map[string]int {
	t.Helper()
	entries, err := s.rdb.XRange(t.Context(), stock.Ledger("main"), "-", "+").Result()
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
	return times
}

// logs collects what contenders log.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

type line struct {
	Level     string
	Msg       string
	Function  string
	Order     string
	Outcome   claim.Outcome
	Contender string
	Warehouse string
	Status    claim.State
	Fence     int64
	Reason    string
}

func (l *logs) lines(t *testing.T) []line {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []line
	for text := range strings.Lines(l.buf.String()) {
		var one line
		if err := json.Unmarshal([]byte(text), &one); err != nil {
			t.Fatalf("a log line is not JSON: %v: %s", err, text)
		}
		lines = append(lines, one)
	}
	return lines
}

func contenderOf(rdb redis.UniversalClient, change func(*settings)) (*contender, *logs) {
	s := settings{LockTTL: time.Minute, Retention: time.Hour, MaxDeliveries: 3}
	if change != nil {
		change(&s)
	}
	out := &logs{}
	return newContender(rdb, s, telemetry.New(out, "inventory", s.Telemetry)), out
}

func outcomes(a delivery.Answer) map[string]claim.Outcome {
	of := map[string]claim.Outcome{}
	for _, o := range a.Outcomes {
		of[o.Order] = o.Outcome
	}
	return of
}

// failed are the orders that the answer names as not ended.
func failed(b delivery.Batch, a delivery.Answer) []string {
	var ids []string
	for _, f := range a.BatchItemFailures {
		i := slices.IndexFunc(b.Deliveries, func(d claim.Delivery) bool { return d.Entry == f.ItemIdentifier })
		if i < 0 {
			ids = append(ids, "unknown "+f.ItemIdentifier)
			continue
		}
		ids = append(ids, b.Deliveries[i].ID)
	}
	slices.Sort(ids)
	return ids
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

func TestEveryOrderOfABatchHasItsOutcome(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		ctx := t.Context()
		for _, id := range []string{"won", "short", "held", "before", "expired", "corrupt", "malformed", "stolen"} {
			sku := map[string]string{"short": "few", "corrupt": "bad"}[id]
			if sku == "" {
				sku = "001"
			}
			s.place(t, id, sku)
		}
		other, _ := contenderOf(rdb, nil)
		b := s.batch(t)
		if a, err := other.handle(ctx, delivery.Batch{Warehouse: "main", Contenders: 1, Deliveries: b.Deliveries[3:4]}); err != nil || outcomes(a)["before"] != claim.Done {
			t.Fatalf("settling one beforehand: %v, %v", a, err)
		}
		if cs, err := s.engine.Claim(ctx, "rival", time.Minute, b.Deliveries[2:3]); err != nil || cs[0].Outcome != claim.Won {
			t.Fatalf("holding one beforehand: %v, %v", cs, err)
		}
		for _, err := range []error{
			rdb.Del(ctx, s.engine.Keys().Record("expired")).Err(),
			rdb.HSet(ctx, stock.Key("main"), "bad", "abc").Err(),
			rdb.HSet(ctx, s.engine.Keys().Record("malformed"), "msg", `{"001":`).Err(),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}

		// The work would take a minute; that a claim is lost meanwhile ends it.
		c, out := contenderOf(rdb, func(s *settings) { s.LockTTL, s.ProcessingTime = 900*time.Millisecond, time.Minute })
		answered := make(chan delivery.Answer, 1)
		go func() {
			a, err := c.handle(ctx, b)
			if err != nil {
				t.Errorf("handle: %v", err)
			}
			answered <- a
		}()
		until(t, "the claim to be stolen", func() bool { return rdb.Del(ctx, s.engine.Keys().Lock("stolen")).Val() == 1 })
		a := <-answered

		want := map[string]claim.Outcome{
			"won": claim.Done, "short": claim.Done, "held": claim.Busy, "before": claim.Already, "expired": claim.NoOrder,
			"corrupt": claim.Failed, "malformed": claim.Failed, "stolen": claim.Lost,
		}
		if d := cmp.Diff(want, outcomes(a)); d != "" || len(a.Outcomes) != len(want) {
			t.Errorf("outcomes (-want +got):\n%s\nof %v", d, a.Outcomes)
		}
		if d := cmp.Diff([]string{"corrupt", "expired", "held", "malformed", "stolen"}, failed(b, a)); d != "" {
			t.Errorf("batchItemFailures (-want +got):\n%s", d)
		}
		if d := cmp.Diff(map[string]int{"won": 1, "before": 1}, s.moved(t)); d != "" {
			t.Errorf("movements (-want +got):\n%s", d)
		}
		for id, want := range map[string]claim.State{"won": claim.Settled, "short": claim.Rejected, "stolen": claim.Accepted, "held": claim.Accepted, "corrupt": claim.Accepted} {
			if got := s.record(t, id).State; got != want {
				t.Errorf("state of %s: %s, want %s", id, got, want)
			}
		}

		reasons := map[string]string{
			"short": "too little on hand", "held": "held by 1:rival", "before": "ended as settled before", "expired": "no record",
			"corrupt": "not a whole number", "malformed": "stored message", "stolen": "the lease ended",
		}
		messages := map[string]string{
			"won": "won", "short": "won", "held": "skipped", "before": "skipped", "expired": "refused", "corrupt": "failed", "malformed": "failed", "stolen": "lost",
		}
		logged := map[string]int{}
		for _, l := range out.lines(t) {
			logged[l.Order]++
			if l.Msg != messages[l.Order] || l.Outcome != want[l.Order] || !strings.Contains(l.Reason, reasons[l.Order]) {
				t.Errorf("log of %s: %+v, want the message %q, the outcome %s and the reason %q", l.Order, l, messages[l.Order], want[l.Order], reasons[l.Order])
			}
			if l.Function != "inventory" || l.Warehouse != "main" || l.Contender != a.Contender {
				t.Errorf("log of %s does not say whose it is: %+v", l.Order, l)
			}
		}
		for id := range want {
			if logged[id] != 1 {
				t.Errorf("%d log lines of %s, want 1", logged[id], id)
			}
		}

		// What failed was released, with its reason; what is another's was left alone.
		for _, id := range []string{"corrupt", "malformed"} {
			if s.record(t, id).Reason == "" || rdb.Exists(ctx, s.engine.Keys().Lock(id)).Val() != 0 {
				t.Errorf("%s: reason %q on record, lock %s", id, s.record(t, id).Reason, rdb.Get(ctx, s.engine.Keys().Lock(id)).Val())
			}
		}
		if got := rdb.Get(ctx, s.engine.Keys().Lock("held")).Val(); got != "1:rival" {
			t.Errorf("the rival's lock: %q", got)
		}
	})
}

func TestOfManyContendersOneSettlesEachOrder(t *testing.T) {
	t.Parallel()
	const contenders, orders = 8, 60
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		for i := range orders {
			s.place(t, fmt.Sprintf("order-%d", i), "001")
		}
		b := s.batch(t)
		b.Contenders = contenders
		var wg sync.WaitGroup
		start := make(chan struct{})
		all := make([]*logs, contenders)
		for lane := range contenders {
			c, out := contenderOf(rdb, nil)
			all[lane] = out
			wg.Go(func() {
				mine := b
				mine.Lane = lane
				<-start
				a, err := c.handle(t.Context(), mine)
				if err != nil || len(a.Outcomes) != orders {
					t.Errorf("contender %d: %d outcomes, %v", lane, len(a.Outcomes), err)
				}
			})
		}
		close(start)
		wg.Wait()

		settled := map[string]int{}
		for lane, out := range all {
			lines := out.lines(t)
			if len(lines) != orders {
				t.Errorf("contender %d logged %d lines, want one for each of %d orders", lane, len(lines), orders)
			}
			for _, l := range lines {
				switch {
				case l.Outcome == claim.Done && l.Msg == "won" && l.Fence == 1:
					settled[l.Order]++
				case (l.Outcome == claim.Busy || l.Outcome == claim.Already) && l.Msg == "skipped" && l.Reason != "":
				default:
					t.Errorf("contender %d logged %+v", lane, l)
				}
			}
		}
		moved := s.moved(t)
		for i := range orders {
			id := fmt.Sprintf("order-%d", i)
			if settled[id] != 1 || moved[id] != 1 {
				t.Errorf("%s: settled by %d contenders and %d movements, want 1 and 1", id, settled[id], moved[id])
			}
		}
		if left, want := rdb.HGet(t.Context(), stock.Key("main"), "001").Val(), fmt.Sprint(1000-2*orders); left != want {
			t.Errorf("on hand: %s, want %s", left, want)
		}
		if n := rdb.XLen(t.Context(), s.engine.Keys().Stream()).Val(); n != 0 {
			t.Errorf("%d entries left in the stream", n)
		}
	})
}

func TestTheLeaseIsRenewedWhileTheWorkGoesOn(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	s := newShop(t, rdb)
	s.place(t, "29", "001")
	b := s.batch(t)
	c, out := contenderOf(rdb, func(s *settings) { s.LockTTL, s.ProcessingTime = time.Second, 2500*time.Millisecond })
	rival, rivals := contenderOf(rdb, nil)
	answered := make(chan delivery.Answer, 1)
	begun := time.Now()
	go func() {
		a, err := c.handle(t.Context(), b)
		if err != nil {
			t.Errorf("handle: %v", err)
		}
		answered <- a
	}()
	until(t, "the order to be claimed", func() bool { return rdb.Exists(t.Context(), s.engine.Keys().Lock("29")).Val() == 1 })
	var a delivery.Answer
	until(t, "the work to end", func() bool {
		got, err := rival.handle(t.Context(), b)
		if err != nil || outcomes(got)["29"] == claim.Done {
			t.Fatalf("a rival meanwhile: %v, %v", got, err)
		}
		select {
		case a = <-answered:
			return true
		default:
			return false
		}
	})
	if took := time.Since(begun); outcomes(a)["29"] != claim.Done || took < 2500*time.Millisecond {
		t.Errorf("%v after %v, want it settled after the work", a.Outcomes, took)
	}
	if n := s.moved(t)["29"]; n != 1 {
		t.Errorf("%d movements, want 1", n)
	}
	if l := out.lines(t); len(l) != 1 || l[0].Fence != 1 {
		t.Errorf("the winner logged %+v", l)
	}
	busy := slices.ContainsFunc(rivals.lines(t), func(l line) bool { return l.Outcome == claim.Busy })
	if !busy {
		t.Error("the rival never found the order busy")
	}
}

func TestAStolenClaimDoesNothing(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		s.place(t, "29", "001")
		b := s.batch(t)
		c, _ := contenderOf(rdb, func(s *settings) { s.LockTTL, s.ProcessingTime = 600*time.Millisecond, time.Minute })
		rival, _ := contenderOf(rdb, nil)
		answered := make(chan delivery.Answer, 1)
		go func() {
			a, err := c.handle(t.Context(), b)
			if err != nil {
				t.Errorf("handle: %v", err)
			}
			answered <- a
		}()
		until(t, "the claim to be stolen", func() bool { return rdb.Del(t.Context(), s.engine.Keys().Lock("29")).Val() == 1 })
		a, err := rival.handle(t.Context(), b)
		if err != nil || outcomes(a)["29"] != claim.Done {
			t.Fatalf("the rival: %v, %v", a, err)
		}
		// It notices before the rival has ended the order, or after that.
		got := (<-answered).Outcomes[0]
		if got.Outcome != claim.Lost && (got.Outcome != claim.Already || got.Owner != a.Contender || got.Fence != 2) {
			t.Errorf("the one whose claim was stolen: %+v, want lost, or already by %s", got, a.Contender)
		}
		if n := s.moved(t)["29"]; n != 1 {
			t.Errorf("%d movements, want 1", n)
		}
	})
}

func TestPoisonIsDeadAtTheLimitWithItsReason(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		if err := rdb.HSet(t.Context(), stock.Key("main"), "bad", "abc").Err(); err != nil {
			t.Fatal(err)
		}
		s.place(t, "poison", "bad")
		s.place(t, "sound", "001")
		c, out := contenderOf(rdb, nil)
		for try, b := 1, s.batch(t); try <= 3; try, b = try+1, s.again(t) {
			a, err := c.handle(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			got := outcomes(a)
			if got["poison"] != claim.Failed || (try == 1) != (got["sound"] == claim.Done) {
				t.Fatalf("try %d: %v", try, got)
			}
			// Once it is dead there is nothing to deliver again.
			if want := map[bool][]string{true: nil, false: {"poison"}}[try == 3]; !slices.Equal(failed(b, a), want) {
				t.Errorf("try %d: batchItemFailures %v, want %v", try, failed(b, a), want)
			}
		}
		letters, err := s.engine.Letters(t.Context(), "", 10)
		if err != nil || len(letters) != 1 || letters[0].ID != "poison" || !strings.Contains(letters[0].Reason, "not a whole number: abc") {
			t.Errorf("dead letters: %+v, %v", letters, err)
		}
		last := out.lines(t)[len(out.lines(t))-1]
		if last.Status != claim.Dead || last.Level != "WARN" {
			t.Errorf("the last line does not say that it is dead: %+v", last)
		}
		if n := rdb.XLen(t.Context(), s.engine.Keys().Stream()).Val(); n != 0 {
			t.Errorf("%d entries left in the stream", n)
		}
	})
}

func TestAnOrderThatIsInABatchTwiceIsSettledOnce(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		s.place(t, "29", "001")
		if err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: s.engine.Keys().Stream(), Values: []string{"id", "29"}}).Err(); err != nil {
			t.Fatal(err)
		}
		b := s.batch(t)
		c, out := contenderOf(rdb, nil)
		a, err := c.handle(t.Context(), b)
		if err != nil || len(a.Outcomes) != 2 {
			t.Fatalf("%+v, %v", a, err)
		}
		settled := 0
		for _, l := range out.lines(t) {
			if l.Outcome == claim.Done {
				settled++
			}
		}
		entries := map[string]bool{a.Outcomes[0].Entry: true, a.Outcomes[1].Entry: true}
		if settled != 1 || len(entries) != 2 || s.moved(t)["29"] != 1 {
			t.Errorf("%d lines say settled, outcomes %+v, %d movements", settled, a.Outcomes, s.moved(t)["29"])
		}
		// The other entry is not the order's own, and is what is left.
		if len(a.BatchItemFailures) != 1 || a.BatchItemFailures[0].ItemIdentifier != b.Deliveries[1].Entry {
			t.Errorf("batchItemFailures %v, want the second of %v", a.BatchItemFailures, b.Deliveries)
		}
	})
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	server := redistest.Server(t)
	for name, lose := range map[string]func(*redistest.Link){
		"refused": (*redistest.Link).Cut,
		"silent":  (*redistest.Link).Silence,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			link := redistest.NewLink(t, server)
			rdb := redis.NewClient(&redis.Options{Addr: link.Addr, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true})
			defer rdb.Close()
			if err := rdb.Ping(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			lose(link)
			c, _ := contenderOf(rdb, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := c.handle(ctx, delivery.Batch{Warehouse: "main", Deliveries: []claim.Delivery{{Entry: "1-1", ID: "29", Count: 1}}})
			if err == nil {
				t.Fatal("no error")
			}
			// The name that aws-lambda-go reports as errorType.
			if typ := reflect.TypeOf(err); typ.Kind() != reflect.Pointer || typ.Elem().Name() != delivery.UnavailableType {
				t.Errorf("error %T: %v, want the type %s", err, err, delivery.UnavailableType)
			}
			if errors.Unwrap(err) == nil || !strings.HasPrefix(err.Error(), "redis is not available: ") {
				t.Errorf("error: %v", err)
			}
			// Killed at the deadline, it could not have said so.
			if ctx.Err() != nil {
				t.Error("the answer came only after the deadline")
			}
		})
	}
}

func TestWorkBeyondTheDeadlineIsTheOrdersOwnFault(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	s := newShop(t, rdb)
	s.place(t, "29", "001")
	c, _ := contenderOf(rdb, func(s *settings) { s.ProcessingTime = time.Minute })
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	_, err := c.handle(ctx, s.batch(t))
	var unavailable *delivery.UnavailableError
	if err == nil || errors.As(err, &unavailable) || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("error %T: %v, want one that counts against the order", err, err)
	}
	if len(s.moved(t)) != 0 || s.record(t, "29").State != claim.Accepted {
		t.Errorf("something happened: %v, %+v", s.moved(t), s.record(t, "29"))
	}
}

func TestTheLeaseEndsWithTheDeadline(t *testing.T) {
	t.Parallel()
	const margin = 200 * time.Millisecond
	rdb := redistest.Server(t)
	s := newShop(t, rdb)
	s.place(t, "29", "001")
	b := s.batch(t)
	c, _ := contenderOf(rdb, func(s *settings) { s.ProcessingTime = time.Minute })
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	deadline, _ := ctx.Deadline()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = c.handle(ctx, b) // interrupted, as tested above
	}()
	looked := 0
	until(t, "the invocation to end", func() bool {
		before := time.Now()
		ttl := rdb.PTTL(ctx, s.engine.Keys().Lock("29")).Val()
		if ttl > 0 {
			looked++
			if end := before.Add(ttl); end.After(deadline.Add(margin)) {
				t.Fatalf("the lock ends %v after the deadline, want %v at most", end.Sub(deadline), margin)
			}
		}
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	if looked == 0 {
		t.Error("the lock was never seen")
	}
}

func TestBatchesThatAreRefused(t *testing.T) {
	t.Parallel()
	rdb := redistest.Embedded(t)
	c, _ := contenderOf(rdb, nil)
	one := []claim.Delivery{{Entry: "1-1", ID: "29", Count: 1}}
	for name, tt := range map[string]struct {
		batch delivery.Batch
		want  string
	}{
		"empty":     {delivery.Batch{Warehouse: "main"}, "has 0 deliveries"},
		"oversized": {delivery.Batch{Warehouse: "main", Deliveries: make([]claim.Delivery, delivery.MaxBatch+1)}, "has 1001 deliveries"},
		"nowhere":   {delivery.Batch{Deliveries: one}, "warehouse"},
		"warehouse": {delivery.Batch{Warehouse: "a}b{", Deliveries: one}, `warehouse "a}b{"`},
		"id":        {delivery.Batch{Warehouse: "main", Deliveries: []claim.Delivery{{Entry: "1-1", ID: "{x}"}}}, "the id is not"},
	} {
		_, err := c.handle(t.Context(), tt.batch)
		var unavailable *delivery.UnavailableError
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, &unavailable) {
			t.Errorf("%s: %T: %v, want %q", name, err, err, tt.want)
		}
	}
	if keys := rdb.Keys(t.Context(), "*").Val(); len(keys) != 0 {
		t.Errorf("keys were made: %v", keys)
	}
}

func TestEveryInvocationIsAnOwnerOfItsOwn(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		one, _ := contenderOf(rdb, nil)
		two, _ := contenderOf(rdb, nil)
		owners := map[string]bool{}
		for i, c := range []*contender{one, one, two, two} {
			id := fmt.Sprint("order-", i)
			s.place(t, id, "001")
			a, err := c.handle(t.Context(), s.batch(t))
			if err != nil || outcomes(a)[id] != claim.Done {
				t.Fatalf("%v, %v", a, err)
			}
			if r := s.record(t, id); r.Owner != a.Contender {
				t.Errorf("owner on record %q, in the answer %q", r.Owner, a.Contender)
			}
			owners[a.Contender] = true
		}
		if len(owners) != 4 {
			t.Errorf("owners %v, want 4", owners)
		}
	})
}

// What Lambda hands in and out, by the very code that does so.
func TestTheWireForm(t *testing.T) {
	t.Parallel()
	rdb := redistest.Embedded(t)
	s := newShop(t, rdb)
	s.place(t, "29", "001")
	b := s.batch(t)
	event := fmt.Sprintf(`{"warehouse":"main","contenders":3,"lane":2,"deliveries":[{"entry":%q,"order":"29","count":1}]}`, b.Deliveries[0].Entry)
	c, _ := contenderOf(rdb, nil)
	got, err := lambda.NewHandler(c.handle).Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"contender":"%s.1","outcomes":[{"order":"29","entry":%q,"outcome":"settled","status":"settled","fence":1,"owner":"%[1]s.1"}],"batchItemFailures":[]}`, c.name, b.Deliveries[0].Entry)
	if strings.TrimSpace(string(got)) != want {
		t.Errorf("answer\n%s\nwant\n%s", got, want)
	}
}
