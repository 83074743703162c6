package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

func TestSettingsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ variable, value, want string }{
		{"INVENTORY_FUNCTION", "", "INVENTORY_FUNCTION: is empty"},
		{"REDIS_ADDR", "", "REDIS_ADDR: is empty"},
		{"FANOUT", "0", "FANOUT: must be 1 to 100"},
		{"FANOUT", "101", "FANOUT: must be 1 to 100"},
		{"FANOUT", "three", "FANOUT: "},
		{"FANOUT_MODE", "hope", "FANOUT_MODE: must be race or hedge"},
		{"IN_FLIGHT", "0", "IN_FLIGHT: must be 1 to 1000"},
		{"IN_FLIGHT", "1001", "IN_FLIGHT: must be 1 to 1000"},
		{"BATCH_MAX", "0", "BATCH_MAX: must be 1 to 1000"},
		{"BATCH_MAX", "1001", "BATCH_MAX: must be 1 to 1000"},
		{"INVOKE_TIMEOUT", "0s", "INVOKE_TIMEOUT: must be over 0s"},
		{"MAX_DELIVERIES", "0", "MAX_DELIVERIES: must be 1 or more"},
		{"REDELIVER_AFTER", "0s", "REDELIVER_AFTER: must be over 0s"},
		{"BACKOFF_BASE", "0s", "BACKOFF_BASE and BACKOFF_MAX: "},
		{"BACKOFF_MAX", "1ms", "BACKOFF_BASE and BACKOFF_MAX: "},
		{"ADMIT", "perhaps", "ADMIT: "},
		{"WAREHOUSES", "main,{x}", `WAREHOUSES: "{x}" is not`},
		{"WAREHOUSES", "main, north", `WAREHOUSES: " north" is not`},
		{"WAREHOUSES", "main,", `WAREHOUSES: "" is not`},
		{"WAREHOUSES", "main,north,main", "WAREHOUSES: main is named twice"},
		{"REDIS_ADDR", "nowhere", "REDIS_ADDR: "},
		{"HEALTH_ADDR", "256.0.0.1:1", "HEALTH_ADDR: "},
	} {
		err := run([]string{"REDIS_ADDR=127.0.0.1:1", "INVENTORY_FUNCTION=f", tt.variable + "=" + tt.value}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s=%s: %v, want an error with %q", tt.variable, tt.value, err, tt.want)
		}
	}
	if err := run([]string{"REDIS_ADDR=127.0.0.1:1"}, io.Discard); err == nil || !strings.Contains(err.Error(), "INVENTORY_FUNCTION: is not set") {
		t.Errorf("without INVENTORY_FUNCTION: %v", err)
	}
}

func TestAShiftEndsInTimeToDrain(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	until := func(d time.Duration) context.Context {
		ctx, cancel := context.WithDeadline(context.Background(), now.Add(d))
		t.Cleanup(cancel)
		return ctx
	}
	end, err := shiftEnd(until(15*time.Minute), now)
	if want := now.Add(15*time.Minute - 28*time.Second); err != nil || !end.Equal(want) {
		t.Errorf("a shift of 15 minutes ends at %v, %v, want %v", end, err, want)
	}
	if end, err := shiftEnd(until(29*time.Second), now); err != nil || !end.Equal(now.Add(time.Second)) {
		t.Errorf("a shift of 29 s ends at %v, %v", end, err)
	}
	for name, ctx := range map[string]context.Context{"timeout": until(28 * time.Second), "deadline": context.Background()} {
		if _, err := shiftEnd(ctx, now); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want an error about the %s", err, name)
		}
	}
}
