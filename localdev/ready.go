package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"photofinish/localdev/emulator"
)

const (
	demoSKUs     = 10
	demoQuantity = 1000
	readyTime    = 20 * time.Second
)

// serves reports whether the application has a route.
func serves(e *emulator.Emulator, method, path string) bool {
	for _, api := range e.App.APIs {
		for _, r := range api.Routes {
			if r.Path == path && r.Method == method {
				return true
			}
		}
	}
	return false
}

// seed receives demo goods where nothing was ever received: SKUs 001 to 010.
func seed(ctx context.Context, client *http.Client, e *emulator.Emulator) error {
	if !serves(e, "GET", "/inventory") || !serves(e, "POST", "/inventory/{sku}/receipts") {
		return nil
	}
	var page struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := call(ctx, client, http.MethodGet, e.URL()+"/inventory", nil, &page); err != nil {
		return err
	}
	if len(page.Items) > 0 {
		return nil
	}
	for i := 1; i <= demoSKUs; i++ {
		sku := fmt.Sprintf("%03d", i)
		goods := map[string]any{"receiptId": "demo-" + sku, "quantity": demoQuantity}
		if err := call(ctx, client, http.MethodPost, e.URL()+"/inventory/"+sku+"/receipts", goods, nil); err != nil {
			return err
		}
	}
	return nil
}

// ready waits until the application says that it is healthy, if it can say so.
func ready(ctx context.Context, client *http.Client, e *emulator.Emulator) error {
	if !serves(e, "GET", "/healthz") {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyTime, errors.New("time is up"))
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := call(ctx, client, http.MethodGet, e.URL()+"/healthz", nil, nil)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the application is not healthy yet: %w", err)
		case <-ticker.C:
		}
	}
}

// call sends and reads JSON.
func call(ctx context.Context, client *http.Client, method, url string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s: %.200s", method, url, resp.Status, b)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}
