// Package picking is what the inventory function does with an order that it has
// won: it takes the items from the stock.
package picking

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/contender"
	"photofinish/shared/order"
	"photofinish/shared/stock"
)

// New makes a contender for the stock. Observe may be nil.
func New(rdb redis.UniversalClient, s Settings, observe func(claim.Event), log *slog.Logger) (*contender.Contender, error) {
	name := s.Name
	if name == "" {
		name = contender.Instance(s.LogStream)
	}
	return contender.New(contender.Options{
		Name: name, Lease: s.LockTTL, Log: log, Effect: stock.Take,
		Open: func(warehouse string) (*claim.Engine, error) {
			if !order.ValidWarehouse(warehouse) {
				return nil, fmt.Errorf("warehouse %.40q is not 1 to %d letters, digits or -", warehouse, order.MaxWarehouse)
			}
			return claim.Open(rdb, warehouse, claim.Options{Retention: s.Retention, MaxDeliveries: s.MaxDeliveries, Observe: observe})
		},
		Work: func(ctx context.Context, won claim.Claimed) (claim.Settlement, error) {
			items, err := order.Items(won.Message)
			if err != nil {
				return claim.Settlement{}, err
			}
			if err := wait(ctx, s.ProcessingTime); err != nil {
				return claim.Settlement{}, err
			}
			return stock.Settlement(won.Partition, won.Held(), items), nil
		},
	})
}

// wait makes the work take longer, for demonstrations. Where a claim was lost
// meanwhile there is nothing more to wait for: settle tells whose it was.
func wait(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), claim.ErrLost) {
			return nil
		}
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
