package console_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"photofinish/localdev/console"
	"photofinish/shared/claim"
	"photofinish/shared/order"
	"photofinish/shared/redistest"
)

func TestStateTellsTheRaces(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := open(t, rdb, func(c *console.Config) {
			c.Environments = func() []console.Environment {
				return []console.Environment{{ID: "env-a"}, {ID: "env-b"}, {ID: "env-z"}}
			}
			c.Services = func() []console.Service { return []console.Service{{Name: "Bridge"}} }
		})
		s.receive("001", 10)
		s.receive("002", 5)

		s.place("won", article()...)
		s.place("short", order.Item{SKU: "002", Quantity: 99})
		s.place("broken", article()...)
		s.deliver()
		start := time.Now()
		a := s.claim("a.1", "won")
		s.claim("b.1", "won")
		// The lines come in another order than they were written in.
		log(s.console, "env-a", said{Time: start.Add(9 * time.Millisecond), Order: "won", Outcome: "settled", Contender: "a.1", Status: string(s.settle("a.1", a).State), Fence: a.Fence})
		log(s.console, "env-b", said{Time: start.Add(4 * time.Millisecond), Order: "won", Outcome: "busy", Contender: "b.1", Reason: "held by 1:a.1"})
		// A contender whose answer got lost says the same again.
		log(s.console, "env-a", said{Time: start.Add(9 * time.Millisecond), Order: "won", Outcome: "settled", Contender: "a.1", Status: "settled", Fence: a.Fence})
		b := s.claim("b.2", "short")
		log(s.console, "env-b", said{Order: "short", Outcome: "settled", Contender: "b.2", Status: string(s.settle("b.2", b).State), Fence: b.Fence})
		s.bury("a.2", "broken", "no good")
		log(s.console, "env-a", said{Order: "broken", Outcome: "failed", Contender: "a.2", Status: "dead", Reason: "no good"})
		s.place("later", article()...)

		p := s.state(func(p page) bool { return len(p.Orders) == 4 })
		w := p.Warehouses[0]
		if w.Name != "main" || w.Accepted != 1 || w.Settled != 1 || w.Rejected != 1 || w.Dead != 1 || !w.Attended || w.SKUs != 2 || w.Peak != 8 {
			t.Errorf("the warehouse is %+v", w)
		}
		if diff := cmp.Diff([]struct {
			SKU    string
			OnHand int64
		}{{"001", 8}, {"002", 4}}, w.Levels); diff != "" {
			t.Errorf("levels (-want +got):\n%s", diff)
		}
		orders := map[string]int{}
		for i, o := range p.Orders {
			orders[o.ID] = i
		}
		won := p.Orders[orders["won"]]
		if won.Status != "settled" || won.Winner != "a.1" || won.Fence != 1 || won.Deliveries != 1 || won.Claims != 2 || won.Took == nil || won.FromFirst {
			t.Errorf("the order that was won is %+v", won)
		}
		if diff := cmp.Diff(article(), won.Items); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
		var lanes []string
		for _, l := range won.Lanes {
			lanes = append(lanes, fmt.Sprintf("%d %s %s %s %s", l.Bib, l.Contender, l.Environment, l.Outcome, l.Reason))
		}
		if diff := cmp.Diff([]string{"2 b.1 env-b busy held by 1:a.1", "1 a.1 env-a settled "}, lanes); diff != "" {
			t.Errorf("lanes (-want +got):\n%s", diff)
		}
		if gap := won.Lanes[1].Offset - won.Lanes[0].Offset; gap < 4.9 || gap > 5.1 {
			t.Errorf("the lanes are %v ms apart, want 5", gap)
		}
		short := p.Orders[orders["short"]]
		if short.Status != "rejected" || short.Shortage == nil || short.Shortage.SKU != "002" || short.Shortage.Wanted != 99 || short.Shortage.OnHand != 4 {
			t.Errorf("the order that was rejected is %+v", short)
		}
		broken := p.Orders[orders["broken"]]
		if broken.Status != "dead" || broken.Reason != "no good" || broken.Winner != "" {
			t.Errorf("the order that is dead is %+v", broken)
		}
		later := p.Orders[orders["later"]]
		if later.Status != "accepted" || len(later.Lanes) != 0 {
			t.Errorf("the order that waits is %+v", later)
		}
		if len(p.Letters) != 1 || p.Letters[0].ID != "broken" || p.Letters[0].Reason != "no good" || p.Letters[0].At == 0 {
			t.Errorf("the letters are %+v", p.Letters)
		}
		if p.Environments[0].Bib != 1 || p.Environments[1].Bib != 2 || p.Environments[2].Bib != 0 {
			t.Errorf("the environments are %+v", p.Environments)
		}
		if p.Services[0].PIDs == nil {
			t.Error("the process ids of a service without any are not a list")
		}
	})
}

// Orders that ended before the console started are found in the ledger.
func TestStateTellsOfTheTimeBefore(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := open(t, rdb, nil)
		s.receive("001", 10)
		s.receive("002", 10)
		s.place("old", article()...)
		s.settle("x.1", s.claim("x.1", "old"))
		p := s.state(func(p page) bool { return len(p.Orders) == 1 })
		if o := p.Orders[0]; o.ID != "old" || o.Status != "settled" || o.Winner != "x.1" || len(o.Lanes) != 0 {
			t.Errorf("the order is %+v", o)
		}
	})
}

func TestStateWithoutARecord(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Embedded(t), nil)
	log(s.console, "env-a", said{Order: "gone", Outcome: "refused", Contender: "a.1", Reason: "there is no record of this order"})
	p := s.state(func(p page) bool { return len(p.Orders) == 1 })
	if o := p.Orders[0]; o.Status != "unknown" || !o.FromFirst || o.Lanes[0].Offset != 0 || o.Lanes[0].Outcome != "refused" {
		t.Errorf("the order is %+v", o)
	}
}

// What is kept is bounded, and nothing that is written by others can break it.
func TestStateIsBoundedAndBearsNonsense(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := open(t, rdb, nil)
		ctx := t.Context()
		keys := s.engine.Keys()
		long := strings.Repeat("ä", 5000)
		before := time.Now().Add(-time.Second)
		for i := range 600 {
			log(s.console, "env", said{Time: before, Order: fmt.Sprintf("o-%03d", i), Outcome: "busy", Contender: "a.1"})
		}
		for i := range 100 {
			log(s.console, fmt.Sprintf("env-%d", i), said{Time: before, Order: "crowd", Outcome: "busy", Contender: fmt.Sprintf("c-%d.1", i)})
		}
		log(s.console, "env-w", said{Time: before, Order: "crowd", Outcome: "settled", Contender: "w.1", Status: "settled", Fence: 3})
		log(s.console, "env-w", said{Time: before, Order: long, Outcome: long, Contender: long, Reason: long})
		pipe := rdb.Pipeline()
		for i := range 60 {
			pipe.HSet(ctx, "{main}:stock", fmt.Sprintf("sku-%02d", i), i)
		}
		pipe.HSet(ctx, "{main}:stock", "<b>", "many")
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: keys.Stream(), Values: []string{"id", "}:../{other}"}})
		pipe.HSet(ctx, "{main}:order:}:../{other}", "state", "settled") // no key is made of such an id
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: keys.Stream(), Values: []string{"no", "id"}})
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: keys.Dead(), Values: []string{"id", "<i>" + long, "reason", long}})
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: "{main}:ledger", Values: []string{"what", "ever"}})
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			"", `{"outcome"`, `{"outcome":1}`, `"outcome"`, `{"order":{},"outcome":"busy","contender":"c"}`, `{"outcome":"busy"}`,
			`{"order":"x","outcome":"busy","contender":"c","fence":"one"}`, strings.Repeat(`{"outcome":`, 1000), "\xff\"outcome\"\xfe",
		} {
			s.console.Line(console.Line{Text: text})
		}
		p := s.state(func(p page) bool { return len(p.Orders) > 0 })
		if len(p.Orders) != 50 {
			t.Errorf("%d orders are shown, want 50", len(p.Orders))
		}
		if w := p.Warehouses[0]; len(w.Levels) != 50 || w.SKUs != 61 || w.Levels[0].SKU != "sku-00" || !strings.Contains(w.Problem, "<b>") {
			t.Errorf("%d levels of %d from %v, problem %q", len(w.Levels), w.SKUs, w.Levels[:1], w.Problem)
		}
		found := map[string]bool{}
		for _, o := range p.Orders {
			found[o.ID] = true
			if len(o.ID) > 210 {
				t.Errorf("an id has %d bytes", len(o.ID))
			}
			if o.ID == "}:../{other}" && o.Status != "unknown" {
				t.Errorf("the order with an invalid id was looked up: %+v", o)
			}
			if o.ID != "crowd" {
				continue
			}
			if len(o.Lanes) != 32 || o.More != 69 || o.Winner != "w.1" || o.Fence != 3 || o.Status != "settled" {
				t.Errorf("the crowd has %d lanes and %d more, won by %q with %d, %s", len(o.Lanes), o.More, o.Winner, o.Fence, o.Status)
			}
		}
		if !found["crowd"] || !found["}:../{other}"] {
			t.Errorf("some orders are missing: %v", found)
		}
		if l := p.Letters[0]; !strings.HasPrefix(l.ID, "<i>ää") || len(l.ID) > 210 || len(l.Reason) > 510 {
			t.Errorf("the letter is %.60q with %d and %d bytes", l.ID, len(l.ID), len(l.Reason))
		}
	})
}

func TestStateWhenRedisIsAway(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	s := open(t, rdb, nil)
	s.receive("001", 10)
	s.place("waits", article()...)
	s.state(func(p page) bool { return p.Problem == "" && len(p.Orders) == 1 })
	// From here on Redis closes the connections that there are and refuses others.
	if err := rdb.Do(t.Context(), "CONFIG", "SET", "requirepass", "secret").Err(); err != nil {
		t.Fatal(err)
	}
	if err := rdb.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no").Err(); err != nil {
		t.Logf("the own connection is closed: %v", err)
	}
	log(s.console, "env-a", said{Order: "told", Outcome: "settled", Contender: "a.1", Status: "settled", Fence: 1})
	p := s.state(func(p page) bool { return p.Problem != "" && len(p.Orders) == 2 })
	if p.Warehouses[0].Levels[0].OnHand != 10 || p.Warehouses[0].Accepted != 1 {
		t.Errorf("what was known before is gone: %+v", p.Warehouses[0])
	}
	for _, o := range p.Orders {
		if o.ID == "told" && (o.Winner != "a.1" || o.Status != string(claim.Settled)) {
			t.Errorf("what the contender said is not shown: %+v", o)
		}
	}
}
