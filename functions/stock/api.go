package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/httpapi"
	"photofinish/shared/order"
	"photofinish/shared/stock"
)

// Limits of one request.
const (
	maxBody       = 4 << 10
	pageSize      = 1000
	healthTimeout = 2 * time.Second
)

// api serves the stock of some warehouses.
type api struct {
	log        *slog.Logger
	rdb        redis.UniversalClient
	fallback   string // the warehouse where a request names none
	warehouses map[string]*claim.Engine
}

func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /inventory", a.list)
	mux.HandleFunc("GET /inventory/{sku}", a.show)
	mux.HandleFunc("POST /inventory/{sku}/receipts", a.receive)
	mux.HandleFunc("GET /healthz/stock", a.health)
	return httpapi.Routes(mux)
}

// page is a part of the stock. Next, where set, asks for the part after it.
type page struct {
	Warehouse string        `json:"warehouse"`
	Items     []stock.Level `json:"items"`
	Next      string        `json:"next,omitempty"`
}

func (a *api) list(w http.ResponseWriter, r *http.Request) {
	name, engine := a.warehouse(w, r)
	if engine == nil {
		return
	}
	var cursor uint64
	if text := r.URL.Query().Get("next"); text != "" {
		var err error
		if cursor, err = strconv.ParseUint(text, 10, 64); err != nil {
			httpapi.Fail(w, http.StatusBadRequest, "next", "next: must be what the page before gave as next")
			return
		}
	}
	levels, next, err := stock.Levels(r.Context(), a.rdb, name, cursor, pageSize)
	if err != nil {
		httpapi.FailRedis(w, r, a.log, err)
		return
	}
	p := page{Warehouse: name, Items: levels}
	if next != 0 {
		p.Next = strconv.FormatUint(next, 10)
	}
	httpapi.JSON(w, http.StatusOK, p)
}

func (a *api) show(w http.ResponseWriter, r *http.Request) {
	name, engine := a.warehouse(w, r)
	if engine == nil {
		return
	}
	sku := r.PathValue("sku")
	onHand, found, err := stock.OnHand(r.Context(), a.rdb, name, sku)
	if err != nil {
		httpapi.FailRedis(w, r, a.log, err)
		return
	}
	if !found {
		httpapi.Fail(w, http.StatusNotFound, "sku", "nothing of %.64q was ever received in warehouse %s", sku, name)
		return
	}
	httpapi.JSON(w, http.StatusOK, stock.Level{SKU: sku, OnHand: onHand})
}

// received is the answer to goods in: what was on hand right after them.
type received struct {
	ReceiptID string `json:"receiptId"`
	SKU       string `json:"id"`
	Quantity  int64  `json:"quantity"`
	OnHand    int64  `json:"onHand"`
}

func (a *api) receive(w http.ResponseWriter, r *http.Request) {
	_, engine := a.warehouse(w, r)
	if engine == nil {
		return
	}
	const rule = "must be 1 to 128 letters, digits or . _ : - that start with a letter or digit"
	key, ok := httpapi.IdempotencyKey(w, r, order.ValidID, rule)
	if !ok {
		return
	}
	body, ok := httpapi.Body(w, r, maxBody)
	if !ok {
		return
	}
	var in struct {
		ReceiptID string `json:"receiptId"`
		Quantity  int64  `json:"quantity"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err := dec.Decode(&in)
	if _, end := dec.Token(); err != nil || !errors.Is(end, io.EOF) {
		httpapi.Fail(w, http.StatusBadRequest, "", `the body must be {"receiptId": "…", "quantity": n} with a whole number n`)
		return
	}
	if in.ReceiptID == "" {
		in.ReceiptID = key
	}
	sku := r.PathValue("sku")
	switch {
	case !order.ValidID(in.ReceiptID):
		httpapi.Fail(w, http.StatusBadRequest, "receiptId", "receiptId (or the header Idempotency-Key) %s; it makes a repeated request count once", rule)
		return
	case !order.ValidSKU(sku):
		httpapi.Fail(w, http.StatusBadRequest, "sku", "the SKU must be 1 to %d letters, digits or . _ : - and start with a letter or digit", order.MaxSKU)
		return
	case in.Quantity < 1 || in.Quantity > stock.MaxReceipt:
		httpapi.Fail(w, http.StatusBadRequest, "quantity", "quantity: must be a whole number from 1 to %d", int64(stock.MaxReceipt))
		return
	}
	onHand, replayed, err := stock.Receive(r.Context(), engine, stock.Receipt{ID: in.ReceiptID, SKU: sku, Quantity: in.Quantity})
	var refused *stock.RefusedError
	switch {
	case errors.Is(err, stock.ErrConflict):
		httpapi.Fail(w, http.StatusUnprocessableEntity, "receiptId", "the id %s was used before for another SKU or quantity", in.ReceiptID)
		return
	case errors.As(err, &refused):
		a.log.WarnContext(r.Context(), "receipt refused", "receipt", in.ReceiptID, "sku", sku, "reason", refused.Reason)
		httpapi.Fail(w, http.StatusConflict, "quantity", "%s", refused.Reason)
		return
	case err != nil:
		httpapi.FailRedis(w, r, a.log, err)
		return
	}
	if replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	a.log.InfoContext(r.Context(), "goods received", "receipt", in.ReceiptID, "sku", sku, "quantity", in.Quantity, "onHand", onHand, "replayed", replayed)
	httpapi.JSON(w, http.StatusCreated, received{in.ReceiptID, sku, in.Quantity, onHand})
}

// warehouse finds the engine that a request is about. Where there is none, it
// answers and returns nil.
func (a *api) warehouse(w http.ResponseWriter, r *http.Request) (string, *claim.Engine) {
	name := a.fallback
	if query := r.URL.Query(); query.Has("warehouse") {
		name = query.Get("warehouse")
	}
	engine := a.warehouses[name]
	if engine == nil {
		httpapi.Fail(w, http.StatusBadRequest, "warehouse", "warehouse: %.40q is not served here", name)
	}
	return name, engine
}

// health answers 200 when Redis can be reached.
func (a *api) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	for _, engine := range a.warehouses {
		if _, err := engine.Backlog(ctx); err != nil {
			a.log.WarnContext(ctx, "redis is not available", "error", err)
			httpapi.JSON(w, http.StatusServiceUnavailable, map[string]string{"status": "redis cannot be reached", "redis": "away"})
			return
		}
	}
	httpapi.JSON(w, http.StatusOK, map[string]string{"status": "ok", "redis": "ok"})
}
