package console_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/localdev/console"
	"photofinish/shared/claim"
	"photofinish/shared/order"
	"photofinish/shared/stock"
)

// article is what the first order of the documentation asks for.
func article() []order.Item {
	return []order.Item{{SKU: "001", Quantity: 2}, {SKU: "002", Quantity: 1}}
}

// shop is a warehouse with a console that watches it.
type shop struct {
	t       *testing.T
	rdb     redis.UniversalClient
	engine  *claim.Engine
	queue   *claim.Queue
	console *console.Console
	url     string
}

// open opens a shop; change may change what the console is given.
func open(t *testing.T, rdb redis.UniversalClient, change func(*console.Config)) *shop {
	t.Helper()
	s := &shop{t: t, rdb: rdb}
	var err error
	if s.engine, err = claim.Open(rdb, "main", claim.Options{MaxDeliveries: 1}); err != nil {
		t.Fatal(err)
	}
	s.queue = s.engine.Queue("bridge-1")
	s.must(s.queue.Join(t.Context()))
	s.must(s.queue.Beat(t.Context(), time.Hour))
	cfg := console.Config{Redis: rdb, Warehouses: []string{"main"}}
	if change != nil {
		change(&cfg)
	}
	if s.console, err = console.New(cfg); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.console.Handler())
	t.Cleanup(func() {
		s.console.Close()
		server.Close()
	})
	s.url = server.URL
	return s
}

func (s *shop) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// receive takes goods in.
func (s *shop) receive(sku string, quantity int64) {
	s.t.Helper()
	_, _, err := stock.Receive(s.t.Context(), s.engine, stock.Receipt{ID: "in-" + sku, SKU: sku, Quantity: quantity})
	s.must(err)
}

// place places an order and delivers it.
func (s *shop) place(id string, items ...order.Item) {
	s.t.Helper()
	o := order.Order{ID: id, Warehouse: "main", Items: items}
	_, err := s.engine.Place(s.t.Context(), claim.Placement{ID: id, Fingerprint: o.Fingerprint(), Message: o.Message()})
	s.must(err)
}

func (s *shop) deliver() []claim.Delivery {
	s.t.Helper()
	ds, err := s.queue.Read(s.t.Context(), 100, time.Millisecond)
	s.must(err)
	return ds
}

// claim has a contender race for an order.
func (s *shop) claim(contender, id string) claim.Claimed {
	s.t.Helper()
	got, err := s.engine.Claim(s.t.Context(), contender, time.Minute, []claim.Delivery{{ID: id, Count: 1}})
	s.must(err)
	return got[0]
}

// settle ends the order for the contender that won it.
func (s *shop) settle(contender string, won claim.Claimed) claim.Ended {
	s.t.Helper()
	items, err := order.Items(won.Message)
	s.must(err)
	held := claim.Held{ID: won.ID, Fence: won.Fence}
	ended, err := s.engine.Settle(s.t.Context(), contender, stock.Take, []claim.Settlement{stock.Settlement("main", held, items)})
	s.must(err)
	return ended[0]
}

// bury has the contender give up an order with its last delivery.
func (s *shop) bury(contender, id, reason string) {
	s.t.Helper()
	won := s.claim(contender, id)
	released, err := s.engine.Release(s.t.Context(), contender, []claim.Failure{{Held: claim.Held{ID: id, Fence: won.Fence}, Reason: reason}})
	s.must(err)
	if !released[0].Buried {
		s.t.Fatalf("order %s is not buried: %+v", id, released[0])
	}
}

// said is the line of a contender about an order, in the words that it logs.
type said struct {
	Time      time.Time `json:"time"`
	Level     string    `json:"level"`
	Msg       string    `json:"msg"`
	Function  string    `json:"function"`
	Order     string    `json:"order"`
	Outcome   string    `json:"outcome"`
	Contender string    `json:"contender"`
	Warehouse string    `json:"warehouse"`
	Status    string    `json:"status,omitempty"`
	Fence     int64     `json:"fence,omitempty"`
	Reason    string    `json:"reason,omitempty"`
}

// log has an environment write a line.
func log(c *console.Console, environment string, v said) {
	v.Level, v.Function, v.Warehouse = "INFO", "inventory", "main"
	if v.Msg == "" {
		v.Msg = "skipped"
	}
	if v.Time.IsZero() {
		v.Time = time.Now()
	}
	text, _ := json.Marshal(v) // strings, a time and integers always encode
	c.Line(console.Line{Time: v.Time, Source: "InventoryFunction", Environment: environment, Stream: "stdout", Text: string(text)})
}

// page is the state as the page reads it, as far as tests look at it.
type page struct {
	Problem    string
	Warehouses []struct {
		Name                              string
		Accepted, Settled, Rejected, Dead int64
		Attended                          bool
		SKUs                              int64
		Levels                            []struct {
			SKU    string
			OnHand int64
		}
		Peak    int64
		Problem string
	}
	Orders []struct {
		Warehouse, ID, Status, Winner, Reason string
		Items                                 []order.Item
		Fence, Deliveries, Claims             int64
		Took                                  *int64
		Shortage                              *stock.Shortage
		Lanes                                 []struct {
			Contender, Environment, Outcome, Status, Reason string
			Bib                                             int
			Fence                                           int64
			Offset                                          float64
		}
		More      int
		FromFirst bool
	}
	Letters []struct {
		Warehouse, ID, Reason string
		At                    int64
	}
	Environments []struct {
		ID  string
		Bib int
	}
	Services []struct {
		Name string
		PIDs []int
	}
}

// state reads the state until it is as wanted.
func (s *shop) state(wanted func(page) bool) page {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	var last []byte
	for ctx.Err() == nil {
		var p page
		last = get(ctx, s.t, s.url+"/api/state")
		if json.Unmarshal(last, &p) == nil && wanted(p) {
			return p
		}
	}
	s.t.Fatalf("the state never came to be as wanted; it is %s", last)
	return page{}
}

func get(ctx context.Context, t *testing.T, url string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return body(t, resp)
}
