package picking

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/contender"
	"photofinish/shared/delivery"
	"photofinish/shared/redistest"
	"photofinish/shared/stock"
)

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
		other, _ := contenderOf(t, rdb, nil)
		b := s.batch(t)
		if a, err := other.Handle(ctx, delivery.Batch{Warehouse: "main", Contenders: 1, Deliveries: b.Deliveries[3:4]}); err != nil || outcomes(a)["before"] != claim.Done {
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
		c, out := contenderOf(t, rdb, func(s *Settings) { s.LockTTL, s.ProcessingTime = 900*time.Millisecond, time.Minute })
		answered := make(chan delivery.Answer, 1)
		go func() {
			a, err := c.Handle(ctx, b)
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
			"short": "rejected: {", "held": "held by 1:rival", "before": "ended as settled before", "expired": "no record",
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

func TestBatchesThatAreRefused(t *testing.T) {
	t.Parallel()
	rdb := redistest.Embedded(t)
	c, _ := contenderOf(t, rdb, nil)
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
		_, err := c.Handle(t.Context(), tt.batch)
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
		one, _ := contenderOf(t, rdb, nil)
		two, _ := contenderOf(t, rdb, nil)
		owners := map[string]bool{}
		for i, c := range []*contender.Contender{one, one, two, two} {
			id := fmt.Sprint("order-", i)
			s.place(t, id, "001")
			a, err := c.Handle(t.Context(), s.batch(t))
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
	c, _ := contenderOf(t, rdb, nil)
	got, err := lambda.NewHandler(c.Handle).Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"contender":"%s.1","outcomes":[{"order":"29","entry":%q,"outcome":"settled","status":"settled","fence":1,"owner":"%[1]s.1"}],"batchItemFailures":[]}`, c.Name, b.Deliveries[0].Entry)
	if strings.TrimSpace(string(got)) != want {
		t.Errorf("answer\n%s\nwant\n%s", got, want)
	}
}
