package main

import (
	"strings"
	"testing"
)

func TestSettingsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ variable, value, want string }{
		{"REDIS_ADDR", "", "REDIS_ADDR: is empty"},
		{"REDIS_ADDR", "nowhere", "REDIS_ADDR:"},
		{"REDIS_AUTH", "password", "REDIS_PASSWORD:"},
		{"RETENTION", "999ms", "RETENTION"},
		{"RETENTION", "-1h", "RETENTION"},
		{"RETENTION", "7d", "RETENTION:"},
		{"WAREHOUSES", "main,", "WAREHOUSES:"},
		{"WAREHOUSES", "a}b", "WAREHOUSES:"},
		{"WAREHOUSES", "a_b", "WAREHOUSES:"},
		{"WAREHOUSES", "main, east", "WAREHOUSES:"},
		{"WAREHOUSES", strings.Repeat("x", 33), "WAREHOUSES:"},
		{"LOG_LEVEL", "loud", "LOG_LEVEL:"},
	} {
		err := run([]string{"REDIS_ADDR=127.0.0.1:1", tt.variable + "=" + tt.value})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s=%s: %v, want an error with %q", tt.variable, tt.value, err, tt.want)
		}
	}
}
