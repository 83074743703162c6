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
		{"LOCK_TTL", "99ms", "LOCK_TTL:"},
		{"LOCK_TTL", "soon", "LOCK_TTL:"},
		{"RETENTION", "999ms", "RETENTION:"},
		{"MAX_DELIVERIES", "0", "MAX_DELIVERIES:"},
		{"MAX_DELIVERIES", "many", "MAX_DELIVERIES:"},
		{"PROCESSING_TIME", "-1s", "PROCESSING_TIME:"},
		{"LOG_LEVEL", "loud", "LOG_LEVEL:"},
	} {
		err := run([]string{"REDIS_ADDR=127.0.0.1:1", tt.variable + "=" + tt.value})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s=%s: %v, want an error with %q", tt.variable, tt.value, err, tt.want)
		}
	}
}
