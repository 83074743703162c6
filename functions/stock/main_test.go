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
		{"REDIS_AUTH", "iam", "REDIS_USER"},
		{"WAREHOUSES", "main,", "WAREHOUSES:"},
		{"WAREHOUSES", "a}b", "WAREHOUSES:"},
		{"WAREHOUSES", "a_b", "WAREHOUSES:"},
		{"WAREHOUSES", "main, east", "WAREHOUSES:"},
		{"WAREHOUSES", strings.Repeat("x", 33), "WAREHOUSES:"},
		{"LOG_LEVEL", "loud", "LOG_LEVEL:"},
	} {
		t.Run(tt.variable+"="+tt.value, func(t *testing.T) {
			err := run([]string{"REDIS_ADDR=127.0.0.1:1", tt.variable + "=" + tt.value})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want an error with %q", err, tt.want)
			}
		})
	}
}
