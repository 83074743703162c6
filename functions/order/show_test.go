package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

func TestAnOrderThroughItsLife(t *testing.T) {
	t.Parallel()
	items := []any{map[string]any{"id": "001", "quantity": 2.0}}
	race := func(winner string) map[string]any {
		return map[string]any{"winner": winner, "fence": 1.0, "contenders": 1.0, "deliveries": 1.0}
	}
	for name, tt := range map[string]struct {
		bring func(t *testing.T, s *shop)
		want  map[string]any
		ended bool
	}{
		"accepted": {
			func(*testing.T, *shop) {},
			map[string]any{"status": "accepted", "items": items}, false,
		},
		"claimed": {
			func(t *testing.T, s *shop) { s.win(t, "29", "A.1") },
			map[string]any{"status": "accepted", "items": items, "race": race("A.1")}, false,
		},
		"settled": {
			func(t *testing.T, s *shop) {
				s.win(t, "29", "A.1")
				if _, err := s.engine().Claim(t.Context(), "B.1", time.Minute, []claim.Delivery{{ID: "29", Count: 1}}); err != nil {
					t.Fatal(err)
				}
				s.rdb.Del(t.Context(), s.engine().Keys().Lock("29")) // as when its lease has ended
				if err := s.rdb.XGroupDestroy(t.Context(), s.engine().Keys().Stream(), claim.DefaultGroup).Err(); err != nil {
					t.Fatal(err)
				}
				s.settle(t, "29", "C.7", 10)
			},
			map[string]any{"status": "settled", "items": items, "race": map[string]any{"winner": "C.7", "fence": 2.0, "contenders": 3.0, "deliveries": 1.0}}, true,
		},
		"rejected": {
			func(t *testing.T, s *shop) { s.settle(t, "29", "A.1", 1) },
			map[string]any{"status": "rejected", "items": items, "race": race("A.1"), "shortage": map[string]any{"id": "001", "wanted": 2.0, "onHand": 1.0}}, true,
		},
		"dead": {
			func(t *testing.T, s *shop) {
				held := s.win(t, "29", "A.1")
				if r, err := s.engine().Release(t.Context(), "A.1", []claim.Failure{{Held: held, Reason: "no luck"}}); err != nil || !r[0].Buried {
					t.Fatalf("%+v, %v", r, err)
				}
			},
			map[string]any{"status": "dead", "items": items, "race": race("A.1"), "reason": "no luck"}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
				before := time.Now().Add(-time.Second)
				s := newShop(t, rdb)
				s.place(t, "29")
				tt.bring(t, s)
				a := s.do(t, get("/orders/29", ""))
				var got map[string]any
				if err := json.Unmarshal([]byte(a.Body), &got); err != nil || a.StatusCode != http.StatusOK || a.Headers["Content-Type"] != "application/json" {
					t.Fatalf("%d %v %s", a.StatusCode, a.Headers, a.Body)
				}
				for field, there := range map[string]bool{"placedAt": true, "endedAt": tt.ended} {
					text, ok := got[field].(string)
					at, err := time.Parse(time.RFC3339Nano, text)
					if ok != there || there && (err != nil || at.Before(before) || at.After(time.Now().Add(time.Second))) {
						t.Errorf("%s: %v, %v", field, got[field], err)
					}
					delete(got, field)
				}
				want := map[string]any{"orderId": "29", "warehouse": "main"}
				for k, v := range tt.want {
					want[k] = v
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		})
	}
}

// What the bridge admitted from the channel with a flaw has no items.
func TestADeadLetterThatNeverWasAnOrder(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		p := claim.Placement{ID: "29", Fingerprint: "fp", Message: []byte(`{"orderId":"29"}`), OnConflict: claim.Bury, Variant: "29~fp", Flaw: "items: is required"}
		if _, err := s.engine().Place(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		refused(t, s.do(t, get("/orders/29", "")), http.StatusNotFound, "id", "no order 29")
		a := s.do(t, get("/orders/29~fp", ""))
		if a.StatusCode != http.StatusOK || !strings.Contains(a.Body, `"status":"dead"`) || !strings.Contains(a.Body, `"reason":"items: is required"`) || strings.Contains(a.Body, `"items":`) {
			t.Errorf("%d %s", a.StatusCode, a.Body)
		}
	})
}

func TestOrdersThatAreNotThere(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		s := newShop(t, rdb)
		s.place(t, "29")
		counted := &counter{command: "hgetall", at: -1}
		rdb.AddHook(counted)
		refused(t, s.do(t, get("/orders/30", "")), http.StatusNotFound, "id", "no order 30")
		refused(t, s.do(t, get("/orders/29", "warehouse=east")), http.StatusNotFound, "id", "warehouse east")
		refused(t, s.do(t, get("/orders/30", "wait=25s")), http.StatusNotFound, "id", "no order 30") // at once
		if counted.n != 3 {
			t.Errorf("%d look-ups, want 3", counted.n)
		}
		// As API Gateway hands them over: decoded.
		for _, id := range []string{
			"}{main}:order:29", "a b", "*", "2?", "29?wait=1s", "%", "%2e%2e", "29\n", "\x00", "é", "☕", "'; DROP", "<script>", strings.Repeat("x", 201), strings.Repeat("x", 10_000), `"29"`, "29,30", "[29]",
			"..", ".", "../orders/29", "29/..", "a/b", "29/", "/29", "", "//",
		} {
			a := s.do(t, get("/orders/"+id, ""))
			if a.StatusCode != http.StatusNotFound {
				t.Errorf("%.40q: %d %s", id, a.StatusCode, a.Body)
			}
			field := "id"
			if strings.ContainsAny(id, "/") || id == "" || id == "." || id == ".." {
				field = "" // no route leads there
			}
			refused(t, a, http.StatusNotFound, field, "there is no")
		}
		if counted.n != 3 {
			t.Errorf("ids that cannot be were looked up: %d times", counted.n-3)
		}
	})
}

// counter counts a command, and does something once it has come a number of times.
type counter struct {
	command string
	at      int
	do      func()
	n       int
}

func (c *counter) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if cmd.Name() == c.command {
			if c.n++; c.n == c.at {
				c.do()
			}
		}
		return err
	}
}

func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
