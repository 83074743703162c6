package simulate

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"photofinish/shared/order"
)

// Plan is what one seed decides before anything happens. What happens then is
// decided step by step, by the same source of chance.
type Plan struct {
	Seed    uint64
	Orders  []Order
	Stock   map[string]int64
	Bridges int
	Admit   bool          // the bridges listen to the channel as well
	Shift   time.Duration // after that the first bridge is relieved by another; 0: never

	Mode          string // of the fan-out
	Fanout        int
	Environments  int // of the inventory function at once; with fewer than Fanout some are throttled
	BatchMax      int
	MaxDeliveries int
	Lease         time.Duration
	Work          time.Duration // between claim and settle
	Timeout       time.Duration // of the function
	InvokeTimeout time.Duration // of the bridge
	Redeliver     time.Duration
	BackoffBase   time.Duration
	BackoffMax    time.Duration
	ReadTimeout   time.Duration // of the Redis clients

	FaultRate int     // of 1000 steps so many go wrong
	Faults    []Fault // and in these ways
	FaultyFor int     // steps; after that all goes well
}

// Order is an order with those who place it.
type Order struct {
	order.Order
	Kind  Kind
	Posts []Post
}

// Kind is what is special about an order.
type Kind string

// Kinds of orders. All but Plain can never be settled.
const (
	Plain    Kind = "plain"
	Garbled  Kind = "garbled"  // its message is no order
	Crashing Kind = "crashing" // whoever wins it crashes
	Unfit    Kind = "unfit"    // its effect raises an error
)

// Post is one client that places an order, repeatedly until it has an answer.
type Post struct {
	After   time.Duration
	Other   bool // the id of the order with other content
	Foreign bool // published by another program, past the order function
}

// plan makes the plan of a seed.
func plan(seed uint64, dice *rand.Rand) Plan {
	p := Plan{
		Seed:          seed,
		Bridges:       1 + weighted(dice, 3, 1),
		Admit:         dice.IntN(6) == 0,
		Mode:          []string{"race", "race", "hedge"}[dice.IntN(3)],
		Fanout:        3,
		Environments:  3 + dice.IntN(3),
		BatchMax:      1 + dice.IntN(4),
		MaxDeliveries: 2 + dice.IntN(4),
		Lease:         pick(dice, 150, 400, 1000, 3000),
		Work:          pick(dice, 0, 0, 30, 300),
		Timeout:       pick(dice, 1500, 3000, 6000),
		InvokeTimeout: pick(dice, 900, 2000, 7000),
		Redeliver:     pick(dice, 500, 1500),
		BackoffBase:   pick(dice, 50, 200),
		BackoffMax:    pick(dice, 400, 1500),
		ReadTimeout:   pick(dice, 300, 1000, 3000),
		FaultRate:     []int{0, 20, 50, 100, 200, 350}[dice.IntN(6)],
		FaultyFor:     60 + dice.IntN(200),
		Stock:         map[string]int64{"unfit": 0},
	}
	if dice.IntN(4) == 0 {
		p.Shift = pick(dice, 300, 1000, 3000)
	}
	// Few kinds of faults at a time go deeper than all of them at once.
	for _, f := range allFaults {
		if dice.IntN(2) == 0 {
			p.Faults = append(p.Faults, f)
		}
	}
	skus := []string{"001", "002"}
	for _, sku := range skus {
		p.Stock[sku] = int64(dice.IntN(8))
	}
	for i := range 1 + weighted(dice, 4, 4, 2, 1) {
		o := Order{Kind: Plain, Order: order.Order{ID: fmt.Sprintf("o%d", i+1), Warehouse: warehouse}}
		for n := range 1 + dice.IntN(2) {
			o.Items = append(o.Items, order.Item{SKU: skus[(i+n)%2], Quantity: int64(1 + dice.IntN(3))})
		}
		if dice.IntN(8) == 0 {
			o.Kind = []Kind{Garbled, Crashing, Unfit}[dice.IntN(3)]
		}
		if o.Kind == Unfit {
			o.Items = []order.Item{{SKU: "unfit", Quantity: 1}}
		}
		for n := range 1 + weighted(dice, 5, 3, 1) {
			post := Post{After: time.Duration(dice.IntN(1500)) * time.Millisecond}
			post.Other = n > 0 && dice.IntN(4) == 0
			post.Foreign = p.Admit && n == 0 && o.Kind == Plain && dice.IntN(3) == 0
			o.Posts = append(o.Posts, post)
		}
		p.Orders = append(p.Orders, o)
	}
	return p
}

// pick is one of some durations in ms, and an odd bit more, so that no two timers
// of different meaning end at the same instant.
func pick(dice *rand.Rand, of ...int) time.Duration {
	ms := of[dice.IntN(len(of))]
	if ms == 0 {
		return 0
	}
	return time.Duration(ms)*time.Millisecond + time.Duration(1+dice.IntN(997))*time.Microsecond
}

// weighted is an index, with the odds given.
func weighted(dice *rand.Rand, odds ...int) int {
	sum := 0
	for _, o := range odds {
		sum += o
	}
	n := dice.IntN(sum)
	for i, o := range odds {
		if n -= o; n < 0 {
			return i
		}
	}
	panic("not reached")
}

func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d bridges, the first for %v, %s to %d of %d environments, batches of %d, %d deliveries, admit %v\n",
		p.Seed, p.Bridges, p.Shift, p.Mode, p.Fanout, p.Environments, p.BatchMax, p.MaxDeliveries, p.Admit)
	fmt.Fprintf(&b, "lease %v, work %v, function timeout %v, invoke timeout %v, redeliver after %v, back-off %v to %v, read timeout %v\n",
		p.Lease, p.Work, p.Timeout, p.InvokeTimeout, p.Redeliver, p.BackoffBase, p.BackoffMax, p.ReadTimeout)
	fmt.Fprintf(&b, "faults in %d of 1000 steps of the first %d: %v\nstock %v\n", p.FaultRate, p.FaultyFor, p.Faults, p.Stock)
	for _, o := range p.Orders {
		fmt.Fprintf(&b, "order %s (%s) of %v, placed by %+v\n", o.ID, o.Kind, o.Items, o.Posts)
	}
	return b.String()
}
