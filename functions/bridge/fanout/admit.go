package fanout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"photofinish/shared/claim"
	"photofinish/shared/order"
)

const (
	admitQueue = 4096 // messages heard and not yet placed; then Redis has to wait
	admitBatch = 128
	firstBytes = 80 // of a message that is no order, in the log
)

// admission places the orders of other publishers that it hears on the channel,
// each once. The orders placed by the order function are heard as well: they are
// on record already, and so only replayed.
type admission struct {
	rdb      redis.UniversalClient
	settings Settings
	channel  string
	fallback string
	lanes    map[string]*lane
	log      *slog.Logger

	admitted, buried, dropped atomic.Int64
}

func newAdmission(rdb redis.UniversalClient, s Settings, lanes []*lane, log *slog.Logger) *admission {
	a := &admission{rdb: rdb, settings: s, channel: s.Channel, fallback: s.Warehouses[0], lanes: map[string]*lane{}, log: log}
	for _, l := range lanes {
		a.lanes[l.engine.Keys().Partition()] = l
	}
	return a
}

// run listens until soft ends, and places what it has heard by then, until hard
// ends.
func (a *admission) run(soft, hard context.Context) error {
	heard := make(chan string, admitQueue)
	var group errgroup.Group
	group.Go(func() error {
		defer close(heard)
		a.listen(soft, heard)
		return nil
	})
	group.Go(func() error {
		a.placeAll(hard, heard)
		return nil
	})
	return group.Wait()
}

// listen subscribes, and again whenever the connection is lost. What is published
// meanwhile is gone: that is what Pub/Sub is like.
func (a *admission) listen(ctx context.Context, heard chan<- string) {
	for n := 0; ; n++ {
		subscribed, err := a.hear(ctx, heard)
		if ctx.Err() != nil {
			return
		}
		if subscribed {
			n = 0
		}
		a.log.Warn("channel not heard", "channel", a.channel, "error", err)
		if a.settings.pause(ctx, n) != nil {
			return
		}
	}
}

// hear subscribes, and passes on what it hears until the connection is lost.
func (a *admission) hear(ctx context.Context, heard chan<- string) (subscribed bool, err error) {
	sub := a.rdb.Subscribe(ctx, a.channel)
	defer sub.Close()
	for silent := 0; ctx.Err() == nil; {
		message, err := sub.ReceiveTimeout(ctx, time.Second)
		var timeout interface{ Timeout() bool }
		switch {
		case err == nil:
			silent = 0
			switch m := message.(type) {
			case *redis.Subscription:
				subscribed = true
				a.log.Info("channel heard", "channel", a.channel)
			case *redis.Message:
				heard <- m.Payload
			}
		case errors.As(err, &timeout) && timeout.Timeout():
			// A connection that was cut off somewhere on the way is just silent: one
			// that lives answers a ping.
			if silent++; silent > maxSilent {
				return subscribed, errSilent
			}
			if err := sub.Ping(ctx); err != nil {
				return subscribed, err
			}
		default:
			return subscribed, err
		}
	}
	return subscribed, nil
}

// maxSilent is for how many seconds in a row a ping may go unanswered.
const maxSilent = 3

var errSilent = errors.New("redis does not answer on the connection that listens")

// placeAll places what is heard, as many messages at once as have come.
func (a *admission) placeAll(ctx context.Context, heard <-chan string) {
	for first := range heard {
		messages := []string{first}
	more:
		for len(messages) < admitBatch {
			select {
			case m, ok := <-heard:
				if !ok {
					break more
				}
				messages = append(messages, m)
			default:
				break more
			}
		}
		byLane := map[*lane][]claim.Placement{}
		for _, m := range messages {
			if l, p, ok := a.read(m); ok {
				byLane[l] = append(byLane[l], p)
			}
		}
		for l, ps := range byLane {
			a.place(ctx, l, ps)
		}
	}
}

// read makes a placement of a message. It reports false for one that is no order
// at all.
func (a *admission) read(message string) (*lane, claim.Placement, bool) {
	f, err := order.ParseForeign([]byte(message), a.fallback)
	if err != nil {
		n := a.dropped.Add(1)
		a.log.Warn("message dropped", "channel", a.channel, "bytes", len(message), "starts", fmt.Sprintf("%.*q", firstBytes, message), "reason", err.Error(), "dropped", n)
		return nil, claim.Placement{}, false
	}
	l := a.lanes[f.Order.Warehouse]
	if l == nil {
		f.Flaw = fmt.Sprintf("the warehouse %s is not served", f.Order.Warehouse)
		l = a.lanes[a.fallback]
	}
	fingerprint := f.Fingerprint()
	p := claim.Placement{
		ID: f.Order.ID, Fingerprint: fingerprint, Variant: order.Variant(f.Order.ID, fingerprint),
		Message: f.Order.Message(), Flaw: f.Flaw, OnConflict: claim.Separate,
	}
	if f.OwnID {
		p.OnConflict = claim.Bury
	}
	if f.Flaw != "" {
		p.Message = f.Raw
	}
	return l, p, true
}

// place places orders, and tries until ctx ends if Redis is away: what was heard
// is not to be lost.
func (a *admission) place(ctx context.Context, l *lane, ps []claim.Placement) {
	for n := 0; ; n++ {
		placed, err := l.engine.PlaceAll(ctx, ps)
		if err == nil {
			for i, p := range placed {
				a.note(l, ps[i], p)
			}
			return
		}
		if !claim.Unavailable(err) {
			// One of them is at fault; the others must not go with it.
			if len(ps) > 1 {
				for i := range ps {
					a.place(ctx, l, ps[i:i+1])
				}
				return
			}
			a.log.Error("message not placed", "order", ps[0].ID, "error", err)
			return
		}
		l.log.Warn("messages not placed yet", "messages", len(ps), "error", err)
		if a.settings.pause(ctx, n) != nil {
			a.log.Error("messages lost: redis stayed away until the end", "messages", len(ps), "first", ps[0].ID)
			return
		}
	}
}

func (a *admission) note(l *lane, asked claim.Placement, p claim.Placing) {
	switch p.Verdict {
	case claim.Placed:
		l.log.Info("order admitted", "order", p.ID, "admitted", a.admitted.Add(1))
	case claim.Buried:
		reason := asked.Flaw
		if reason == "" {
			reason = "the id was used before for other content"
		}
		l.log.Warn("message kept as a dead letter", "order", p.ID, "reason", reason, "buried", a.buried.Add(1))
	}
}
