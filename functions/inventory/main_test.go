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

func TestInstancesHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	const stream = "2026/11/24/[$LATEST]0123456789abcdef0123456789abcdef"
	a, b := instance(stream), instance(stream)
	if a == b || len(a) != 14 || a[:6] != "abcdef" {
		t.Errorf("names %q and %q: want two that begin with the end of the log stream", a, b)
	}
	if name := instance(""); len(name) != 8 {
		t.Errorf("name %q without a log stream", name)
	}
}
