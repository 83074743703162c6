package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/redistest"
)

const secret = "c0rrect-h0rse"

func TestTargets(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]target{
		"h:1":                                   {name: "h:1", options: &redis.Options{Addr: "h:1"}},
		"[::1]:1":                               {name: "[::1]:1", options: &redis.Options{Addr: "[::1]:1"}},
		"h:1,i:2":                               {name: "h:1,i:2", options: &redis.Options{Addr: "h:1"}, more: []string{"i:2"}, cluster: true, certain: true},
		"redis://h":                             {name: "h:6379", options: &redis.Options{Addr: "h:6379"}},
		"redis://u:" + secret + "@h:1/3":        {name: "h:1", options: &redis.Options{Addr: "h:1", Username: "u", Password: secret, DB: 3}},
		"redis://:p%40%3A%2F@h:1":               {name: "h:1", options: &redis.Options{Addr: "h:1", Password: "p@:/"}},
		"redis://h:1?cluster=true":              {name: "h:1", options: &redis.Options{Addr: "h:1"}, cluster: true, certain: true},
		"redis://h:1?cluster=false":             {name: "h:1", options: &redis.Options{Addr: "h:1"}, certain: true},
		"redis+cluster://u:p@h:1":               {name: "h:1", options: &redis.Options{Addr: "h:1", Username: "u", Password: "p"}, cluster: true, certain: true},
		"redis://h:1?addr=i:2&addr=j:3":         {name: "h:1,i:2,j:3", options: &redis.Options{Addr: "h:1"}, more: []string{"i:2", "j:3"}, cluster: true, certain: true},
		"unix:///run/redis.sock":                {name: "/run/redis.sock", options: &redis.Options{Addr: "/run/redis.sock"}},
		"redis://h:1?read_timeout=9s&cluster=1": {name: "h:1", options: &redis.Options{Addr: "h:1"}, cluster: true, certain: true},
	} {
		got, err := parseTarget(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		o, w := got.options, want.options
		if got.name != want.name || got.cluster != want.cluster || got.certain != want.certain || strings.Join(got.more, " ") != strings.Join(want.more, " ") ||
			o.Addr != w.Addr || o.Username != w.Username || o.Password != w.Password || o.DB != w.DB || o.TLSConfig != nil {
			t.Errorf("%s: %+v with %s %s %s %d", text, got, o.Addr, o.Username, o.Password, o.DB)
		}
	}
	for _, text := range []string{"rediss://h:1", "rediss+cluster://u:p@h:1"} {
		if got, err := parseTarget(text); err != nil || got.options.TLSConfig == nil || got.options.TLSConfig.ServerName != "h" {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

func TestTargetsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no port":                  "h",
		"port zero":                "h:0",
		"a user before the host":   "u:" + secret + "@h:1",
		"a comma at the end":       "h:1,",
		"another scheme":           "http://:" + secret + "@h:1",
		"a raw percent":            "redis://:%zz" + secret + "@h:1",
		"a raw slash":              "redis://:12/" + secret + "@h:1",
		"a raw question mark":      "redis://:12?" + secret + "@h:1",
		"a raw hash":               "redis://:12#" + secret + "@h:1",
		"an @ too many":            "redis://u:12/" + secret + "@3@h:1",
		"an unknown option":        "redis://:" + secret + "@h:1?colour=red",
		"cluster= neither":         "redis://:" + secret + "@h:1?cluster=perhaps",
		"a database of a cluster":  "redis+cluster://:" + secret + "@h:1/3",
		"a database without a one": "redis://:" + secret + "@h:1/main",
		"a socket with a cluster":  "unix+cluster:///run/redis.sock",
	} {
		_, err := parseTarget(text)
		if err == nil || !strings.HasPrefix(err.Error(), "--redis: ") || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPasswordsFromTheEnvironment(t *testing.T) {
	admin := redistest.Server(t, "--user", "alice", "on", ">"+secret, "~*", "&*", "+@all")
	if err := admin.ConfigSet(t.Context(), "requirepass", "default-"+secret).Err(); err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: admin.Options().Addr, Password: "default-" + secret})
	t.Cleanup(func() { _ = rdb.Close() })
	d := newDesk(t, rdb, "main")
	d.place("29")
	for name, tt := range map[string]struct {
		target, user, password string
		ok                     bool
	}{
		"in the URL":                       {"redis://alice:" + secret + "@" + d.addr, "", "", true},
		"in the URL, not the environment":  {"redis://alice:" + secret + "@" + d.addr, "bob", "wrong", true},
		"of the default user":              {d.addr, "", "default-" + secret, true},
		"with the user of the environment": {d.addr, "alice", secret, true},
		"with the user of the URL":         {"redis://alice@" + d.addr, "bob", secret, true},
		"none":                             {d.addr, "", "", false},
		"a user without":                   {d.addr, "alice", "", false},
		"wrong":                            {"redis://alice:not-" + secret + "@" + d.addr, "", "", false},
		"wrong in the environment":         {d.addr, "alice", "not-" + secret, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("REDIS_USER", tt.user)
			t.Setenv("REDIS_PASSWORD", tt.password)
			status, stdout, stderr := localdev("claims", "show", "29", "--redis", tt.target)
			if (status == 0) != tt.ok || strings.Contains(stdout+stderr, secret) {
				t.Errorf("status %d, %s%s", status, stdout, stderr)
			}
			if !tt.ok && !strings.Contains(stderr, "NOAUTH") && !strings.Contains(stderr, "WRONGPASS") {
				t.Errorf("it says %q", stderr)
			}
		})
	}
}

// Which Redis is looked at: the one that is named, else the emulator's, else that
// of the environment; with --from-env, that of the environment.
func TestTheRedisThatIsLookedAt(t *testing.T) {
	named, emulators, environments := redistest.Server(t), redistest.Server(t), redistest.Server(t)
	for name, rdb := range map[string]*redis.Client{"named": named, "emulators": emulators, "environments": environments} {
		newDesk(t, rdb, "main").place(name)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	for name, tt := range map[string]struct {
		up, env bool
		args    []string
		want    string // the order there, or the error
	}{
		"named":                         {true, true, []string{"--redis", named.Options().Addr}, "named"},
		"the emulator":                  {true, false, nil, "emulators"},
		"the emulator before REDIS_…":   {true, true, nil, "emulators"},
		"the environment":               {false, true, nil, "environments"},
		"the environment, asked for":    {true, true, []string{"--from-env"}, "environments"},
		"nothing":                       {false, false, nil, "name a Redis with --redis, or set REDIS_ADDR"},
		"no environment, but asked for": {true, false, []string{"--from-env"}, "REDIS_ADDR"},
		"both":                          {true, true, []string{"--from-env", "--redis", "h:1"}, "none of the others can be"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, name := range []string{"REDIS_ADDR", "REDIS_USER", "REDIS_PASSWORD", "REDIS_AUTH", "REDIS_TLS", "REDIS_CLUSTER"} {
				t.Setenv(name, "") // so that it is restored
				_ = os.Unsetenv(name)
			}
			if tt.env {
				t.Setenv("REDIS_ADDR", environments.Options().Addr)
			}
			_ = os.RemoveAll(filepath.Join(dir, ".localdev"))
			if tt.up {
				text, _ := json.Marshal(state{PID: os.Getpid(), Redis: emulators.Options().Addr})
				if err := os.MkdirAll(stateDir("."), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(statePath(stateDir(".")), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			status, stdout, stderr := localdev(append([]string{"claims", "list", "--json"}, tt.args...)...)
			if status == 0 {
				if got := ids(lines[shownRecord](t, stdout)); len(got) != 1 || got[0] != tt.want {
					t.Errorf("%v, want %s", got, tt.want)
				}
			} else if !strings.Contains(stderr, tt.want) {
				t.Errorf("status %d, %s, want %s", status, stderr, tt.want)
			}
		})
	}
}

func TestARedisThatIsAway(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := localdev("claims", "list", "--redis", "redis://:"+secret+"@127.0.0.1:1")
	if status != 1 || stdout != "" || !strings.Contains(stderr, "127.0.0.1:1") || strings.Contains(stderr, secret) {
		t.Errorf("status %d, %s%s", status, stdout, stderr)
	}
}
