package connect_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/config"
	"photofinish/shared/connect"
)

const secret = "c0rrect-h0rse"

func TestSettingsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		environ string // beside REDIS_ADDR, which the first overrides
		want    string // the variable that is named
	}{
		"no address":                 {"REDIS_ADDR=", "REDIS_ADDR"},
		"no port":                    {"REDIS_ADDR=redis", "REDIS_ADDR"},
		"an empty port":              {"REDIS_ADDR=redis:", "REDIS_ADDR"},
		"a port by name":             {"REDIS_ADDR=redis:redis", "REDIS_ADDR"},
		"port zero":                  {"REDIS_ADDR=redis:0", "REDIS_ADDR"},
		"a port too large":           {"REDIS_ADDR=redis:65536", "REDIS_ADDR"},
		"no host":                    {"REDIS_ADDR=:6379", "REDIS_ADDR"},
		"a URL":                      {"REDIS_ADDR=redis://redis:6379", "REDIS_ADDR"},
		"a URL with a password":      {"REDIS_ADDR=redis://:" + secret + "@redis:6379", "REDIS_ADDR"},
		"a password before the host": {"REDIS_ADDR=" + secret + "@redis:6379", "REDIS_ADDR"},
		"a comma at the end":         {"REDIS_ADDR=a:1, REDIS_CLUSTER=true", "REDIS_ADDR"},
		"several without a cluster":  {"REDIS_ADDR=a:1,b:2", "REDIS_CLUSTER"},
		"no bool":                    {"REDIS_TLS=on", "REDIS_TLS"},
		"unknown way":                {"REDIS_AUTH=token", "REDIS_AUTH"},
		"none, but a user":           {"REDIS_USER=u", "REDIS_USER"},
		"none, but a password":       {"REDIS_PASSWORD=" + secret, "REDIS_PASSWORD"},
		"no password":                {"REDIS_AUTH=password REDIS_USER=u", "REDIS_PASSWORD"},
		"iam without a user":         {"REDIS_AUTH=iam REDIS_TLS=true REDIS_CACHE_NAME=c", "REDIS_USER"},
		"iam without a cache":        {"REDIS_AUTH=iam REDIS_TLS=true REDIS_USER=u", "REDIS_CACHE_NAME"},
		"iam without TLS":            {"REDIS_AUTH=iam REDIS_CACHE_NAME=c REDIS_USER=u", "REDIS_TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := config.Load[connect.Settings](append([]string{"REDIS_ADDR=redis:6379"}, strings.Fields(tt.environ)...))
			if err == nil {
				var rdb redis.UniversalClient
				if rdb, err = connect.Open(s, 0); err == nil {
					rdb.Close()
				}
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want an error that names %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
}

func TestSettingsThatAreAccepted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		environ string
		cluster bool
	}{
		"nothing else":          {"", false},
		"IPv6":                  {"REDIS_ADDR=[::1]:6379", false},
		"a cluster":             {"REDIS_CLUSTER=true", true},
		"several addresses":     {"REDIS_ADDR=a:1,b:2 REDIS_CLUSTER=true", true},
		"password":              {"REDIS_AUTH=password REDIS_PASSWORD=" + secret, false},
		"iam":                   {"REDIS_AUTH=iam REDIS_TLS=true REDIS_USER=u REDIS_CACHE_NAME=c", false},
		"iam, serverless":       {"REDIS_AUTH=iam REDIS_TLS=true REDIS_USER=u REDIS_CACHE_NAME=c REDIS_SERVERLESS=true REDIS_CLUSTER=true", true},
		"as the emulator sets":  {"REDIS_TLS=false REDIS_CLUSTER=false REDIS_AUTH=none REDIS_USER= REDIS_CACHE_NAME=c", false},
		"as the template sets ": {"REDIS_TLS=true REDIS_CLUSTER=true REDIS_AUTH=iam REDIS_USER=photofinish REDIS_CACHE_NAME=Stack", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := config.Load[connect.Settings](append([]string{"REDIS_ADDR=redis:6379"}, strings.Fields(tt.environ)...))
			if err != nil {
				t.Fatal(err)
			}
			rdb, err := connect.Open(s, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer rdb.Close()
			if _, ok := rdb.(*redis.ClusterClient); ok != tt.cluster {
				t.Errorf("a %T", rdb)
			}
		})
	}
}
