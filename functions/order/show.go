package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"photofinish/shared/claim"
	"photofinish/shared/httpapi"
	"photofinish/shared/order"
	"photofinish/shared/stock"
)

// maxWait is the longest that a client may wait for an order to end: under the
// 30 s after which an HTTP API gives up.
const maxWait = 25 * time.Second

// shown is an order as a client sees it.
type shown struct {
	OrderID   string          `json:"orderId"`
	Warehouse string          `json:"warehouse"`
	Status    claim.State     `json:"status"`
	Items     []order.Item    `json:"items,omitempty"`
	PlacedAt  *time.Time      `json:"placedAt,omitempty"`
	EndedAt   *time.Time      `json:"endedAt,omitempty"`
	Race      *race           `json:"race,omitempty"`
	Shortage  *stock.Shortage `json:"shortage,omitempty"` // of a rejected order
	Reason    string          `json:"reason,omitempty"`   // of a dead one, or the last failure
}

// race is who ran for the order. Winner and Fence are those of the last claim,
// which is the one that ended it, once it has ended.
type race struct {
	Winner     string `json:"winner"`
	Fence      int64  `json:"fence"`
	Contenders int64  `json:"contenders"`
	Deliveries int64  `json:"deliveries"`
}

func (a *api) show(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !claim.ValidID(id) {
		httpapi.Fail(w, http.StatusNotFound, "id", "there is no order with that id")
		return
	}
	name := a.fallback
	query := r.URL.Query()
	if query.Has("warehouse") {
		name = query.Get("warehouse")
	}
	engine := a.warehouses[name]
	if engine == nil {
		httpapi.Fail(w, http.StatusBadRequest, "warehouse", "warehouse: %.40q is not served here", name)
		return
	}
	var wait time.Duration
	if query.Has("wait") {
		var ok bool
		if wait, ok = parseWait(query.Get("wait")); !ok {
			httpapi.Fail(w, http.StatusBadRequest, "wait", "wait: must be a time such as 10s, from 0 to %v", maxWait)
			return
		}
	}
	record, found, err := await(r.Context(), engine, id, wait)
	if err != nil {
		httpapi.FailRedis(w, r, a.log, err)
		return
	}
	if !found {
		httpapi.Fail(w, http.StatusNotFound, "id", "there is no order %s in warehouse %s", id, name)
		return
	}
	httpapi.JSON(w, http.StatusOK, present(record, name))
}

func parseWait(text string) (time.Duration, bool) {
	wait, err := time.ParseDuration(text)
	if n, numErr := strconv.Atoi(text); numErr == nil && n >= 0 && n <= int(maxWait.Seconds()) {
		wait, err = time.Duration(n)*time.Second, nil
	}
	return wait, err == nil && wait >= 0 && wait <= maxWait
}

// await looks an order up until it has ended or the wait is over, more and more
// seldom. It leaves the function time to answer.
func await(ctx context.Context, engine *claim.Engine, id string, wait time.Duration) (claim.Record, bool, error) {
	until := time.Now().Add(wait)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-time.Second).Before(until) {
		until = deadline.Add(-time.Second)
	}
	const most = 100 * time.Millisecond
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, most) {
		record, found, err := engine.Lookup(ctx, id)
		left := time.Until(until)
		if err != nil || !found || record.State != claim.Accepted || left <= 0 {
			return record, found, err
		}
		timer := time.NewTimer(min(pause, left))
		select {
		case <-ctx.Done():
			timer.Stop()
			return record, found, ctx.Err()
		case <-timer.C:
		}
	}
}

func present(r claim.Record, warehouse string) shown {
	s := shown{OrderID: r.ID, Warehouse: warehouse, Status: r.State, Reason: r.Reason, PlacedAt: known(r.PlacedAt), EndedAt: known(r.EndedAt)}
	if items, err := order.Items(r.Message); err == nil { // a flawed message has none
		s.Items = items
	}
	if r.Fence > 0 {
		s.Race = &race{Winner: r.Owner, Fence: r.Fence, Contenders: r.Racers, Deliveries: r.Deliveries}
	}
	if r.State == claim.Rejected {
		var short stock.Shortage
		if json.Unmarshal([]byte(r.Result), &short) == nil {
			s.Shortage = &short
		}
	}
	return s
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
