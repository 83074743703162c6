package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"photofinish/shared/claim"
	"photofinish/shared/httpapi"
	"photofinish/shared/order"
	"photofinish/shared/telemetry"
)

// api serves the orders of some warehouses.
type api struct {
	log        *slog.Logger
	channel    string
	fallback   string // the warehouse of an order that names none
	warehouses map[string]*claim.Engine
}

func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", a.place)
	mux.HandleFunc("GET /orders/{id}", a.show)
	mux.HandleFunc("GET /healthz", a.health)
	return httpapi.Routes(mux)
}

// placed is the answer to a placed order.
type placed struct {
	OrderID string      `json:"orderId"`
	Status  claim.State `json:"status"`
	Message string      `json:"message"`
}

func (a *api) place(w http.ResponseWriter, r *http.Request) {
	key, ok := httpapi.IdempotencyKey(w, r, order.ValidID, "must be one key of 1 to 128 letters, digits or . _ : - that starts with a letter or digit")
	if !ok {
		return
	}
	body, ok := httpapi.Body(w, r, order.MaxBody)
	if !ok {
		return
	}
	o, err := order.Parse(body)
	var broken *order.FieldError
	if errors.As(err, &broken) {
		httpapi.Fail(w, http.StatusBadRequest, broken.Field, "%s", broken.Error())
		return
	}
	if o.ID == "" {
		o.ID = key
	}
	if o.ID == "" {
		// Version 7 begins with the time, so ids made later sort later.
		o.ID = uuid.Must(uuid.NewV7()).String()
	}
	if named := r.URL.Query().Get("warehouse"); named != "" {
		if o.Warehouse != "" && o.Warehouse != named {
			httpapi.Fail(w, http.StatusBadRequest, "warehouse", "warehouse: the body says %s, the query %.40q", o.Warehouse, named)
			return
		}
		o.Warehouse = named
	}
	if o.Warehouse == "" {
		o.Warehouse = a.fallback
	}
	engine := a.warehouses[o.Warehouse]
	if engine == nil {
		httpapi.Fail(w, http.StatusBadRequest, "warehouse", "warehouse: %.40q is not served here; those are %s", o.Warehouse, strings.Join(a.served(), ", "))
		return
	}
	p, err := engine.Place(r.Context(), claim.Placement{
		ID: o.ID, Fingerprint: o.Fingerprint(), Message: o.Message(),
		Channel: a.channel, Announcement: o.Announcement(), Trace: telemetry.Trace(r.Context(), r.Header),
	})
	if err != nil {
		httpapi.FailRedis(w, r, a.log, err)
		return
	}
	a.log.InfoContext(r.Context(), "order "+string(p.Verdict), "order", o.ID, "warehouse", o.Warehouse, "verdict", p.Verdict)
	switch p.Verdict {
	case claim.Conflict:
		httpapi.Fail(w, http.StatusUnprocessableEntity, "orderId", "the id %s was used before for an order with other content", o.ID)
		return
	case claim.Replayed:
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.Header().Set("Location", a.location(o))
	httpapi.JSON(w, http.StatusCreated, placed{o.ID, claim.Accepted, "Order placed successfully"})
}

// location names the warehouse unless it is the one that is looked in anyway.
func (a *api) location(o order.Order) string {
	u := url.URL{Path: "/orders/" + o.ID}
	if o.Warehouse != a.fallback {
		u.RawQuery = url.Values{"warehouse": {o.Warehouse}}.Encode()
	}
	return u.String()
}

func (a *api) served() []string { return slices.Sorted(maps.Keys(a.warehouses)) }

// healthTimeout bounds how long a health check waits for Redis.
const healthTimeout = 2 * time.Second

type health struct {
	Status string `json:"status"` // ok, or what is missing
	Redis  string `json:"redis"`
	Bridge string `json:"bridge"`
}

// health answers 200 when orders can be placed and will be processed.
func (a *api) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	h := health{Status: "ok", Redis: "ok", Bridge: "ok"}
	for _, name := range a.served() {
		alive, err := a.warehouses[name].Alive(ctx)
		switch {
		case err != nil:
			a.log.WarnContext(ctx, "redis is not available", "warehouse", name, "error", err)
			h = health{Status: "redis cannot be reached: orders are refused", Redis: "away", Bridge: "unknown"}
		case !alive && h.Redis == "ok":
			h = health{Status: "no bridge is at work: orders are accepted and wait", Redis: "ok", Bridge: "away"}
		}
	}
	status := http.StatusOK
	if h.Status != "ok" {
		status = http.StatusServiceUnavailable
	}
	httpapi.JSON(w, status, h)
}
