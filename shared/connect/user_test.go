package connect_test

import (
	"context"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.yaml.in/yaml/v4"

	"photofinish/shared/claim"
	"photofinish/shared/claim/claimtest"
	"photofinish/shared/connect"
	"photofinish/shared/order"
	"photofinish/shared/redistest"
	"photofinish/shared/stock"
)

func open(t *testing.T, s connect.Settings) redis.UniversalClient {
	t.Helper()
	rdb, err := connect.Open(s, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

func TestPasswordsAndUsers(t *testing.T) {
	t.Parallel()
	admin := redistest.Server(t, "--user", "alice", "on", ">"+secret, "~*", "&*", "+@all")
	addr := admin.Options().Addr
	if err := admin.ConfigSet(t.Context(), "requirepass", "default-"+secret).Err(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		settings connect.Settings
		want     string // who it is then, or the error that there is
	}{
		"the password of the server": {connect.Settings{Auth: "password", Password: "default-" + secret}, "default"},
		"a user":                     {connect.Settings{Auth: "password", User: "alice", Password: secret}, "alice"},
		"a wrong password":           {connect.Settings{Auth: "password", User: "alice", Password: "not-" + secret}, "WRONGPASS"},
		"the password of another":    {connect.Settings{Auth: "password", Password: secret}, "WRONGPASS"},
		"an unknown user":            {connect.Settings{Auth: "password", User: "mallory", Password: secret}, "WRONGPASS"},
		"no password":                {connect.Settings{Auth: "none"}, "NOAUTH"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.settings.Addr = addr
			who, err := open(t, tt.settings).Do(context.Background(), "ACL", "WHOAMI").Text()
			if strings.ToUpper(tt.want) != tt.want {
				if err != nil || who != tt.want {
					t.Errorf("%q, %v, want %q", who, err, tt.want)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("%q, %v, want %s, and no password in it", who, err, tt.want)
			}
		})
	}
}

// accessString is what the cache user of the template may do.
func accessString(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources struct {
			CacheUser struct {
				Properties struct {
					AccessString string `yaml:"AccessString"`
				} `yaml:"Properties"`
			} `yaml:"CacheUser"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	if template.Resources.CacheUser.Properties.AccessString == "" {
		t.Fatal("the template has no CacheUser with an AccessString")
	}
	return template.Resources.CacheUser.Properties.AccessString
}

// cacheUser makes the user of the template on a server, and gives the settings
// of a client that is it.
func cacheUser(t *testing.T, admin *redis.Client, more ...string) connect.Settings {
	t.Helper()
	args := []any{"ACL", "SETUSER", "photofinish", ">" + secret}
	for _, rule := range append(strings.Fields(accessString(t)), more...) {
		args = append(args, rule)
	}
	if err := admin.Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(err)
	}
	return connect.Settings{Addr: admin.Options().Addr, Auth: "password", User: "photofinish", Password: secret}
}

// The suite listens to channels of its own, news-…, which no program does:
// therefore &* is added for it. TestTheCacheUserAndItsChannel is without.
func TestTheCacheUserMayDoAllThatTheEngineNeeds(t *testing.T) {
	t.Parallel()
	claimtest.Run(t, open(t, cacheUser(t, redistest.Server(t), "&*")))
}

func TestTheCacheUserOnACluster(t *testing.T) {
	t.Parallel()
	bus, err := net.Listen("tcp", "127.0.0.1:0") // by default it would be the port + 10000, which may be none
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(bus.Addr().String())
	bus.Close()
	admin := redistest.Server(t, "--cluster-enabled", "yes", "--cluster-port", port)
	if err := admin.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(admin.ClusterInfo(t.Context()).Val(), "cluster_state:ok") {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the cluster did not form")
		}
	}
	s := cacheUser(t, admin, "&*")
	s.Cluster = true
	claimtest.Run(t, open(t, s))
}

func TestTheCacheUserAndItsChannel(t *testing.T) {
	t.Parallel()
	rdb := open(t, cacheUser(t, redistest.Server(t)))
	engine, err := claim.Open(rdb, "main", claim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sub := rdb.Subscribe(t.Context(), "order_updates")
	defer sub.Close()
	if _, err := sub.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := order.Order{ID: "29", Warehouse: "main", Items: []order.Item{{SKU: "001", Quantity: 2}}}
	p := claim.Placement{ID: o.ID, Fingerprint: o.Fingerprint(), Message: o.Message(), Channel: "order_updates", Announcement: o.Announcement()}
	if _, err := engine.Place(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if m, err := sub.ReceiveMessage(t.Context()); err != nil || m.Payload != string(o.Announcement()) {
		t.Errorf("announced: %v, %v", m, err)
	}
	if _, _, err := stock.Receive(t.Context(), engine, stock.Receipt{ID: "r", SKU: "001", Quantity: 5}); err != nil {
		t.Error(err)
	}
	if _, _, err := stock.Levels(t.Context(), rdb, "main", 0, 10); err != nil {
		t.Error(err)
	}
	if err := rdb.Publish(t.Context(), "elsewhere", "x").Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
		t.Errorf("publish on another channel: %v, want NOPERM", err)
	}
}

func TestTheCacheUserMayDoNothingElse(t *testing.T) {
	t.Parallel()
	admin := redistest.Server(t)
	rdb := open(t, cacheUser(t, admin))
	if err := admin.Set(t.Context(), "session:1", "of another application", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{
		"GET session:1", "SET other 1", "DEL session:1", "EVAL return(redis.call('GET','session:1')) 0",
		"FLUSHALL", "FLUSHDB", "KEYS *", "CONFIG GET *", "CONFIG SET maxmemory 1", "ACL LIST", "ACL SETUSER mallory on nopass +@all",
		"SHUTDOWN NOSAVE", "REPLICAOF NO ONE", "MONITOR", "SAVE", "CLIENT KILL TYPE normal", "MODULE LIST", "CLUSTER RESET", "SWAPDB 0 1",
	} {
		args := []any{}
		for _, word := range strings.Fields(command) {
			args = append(args, word)
		}
		err := rdb.Do(t.Context(), args...).Err()
		if err == nil || !strings.Contains(err.Error(), "NOPERM") && !strings.Contains(err.Error(), "can't access") && !strings.Contains(err.Error(), "No permissions") {
			t.Errorf("%s: %v, want that it may not", command, err)
		}
	}
	users, err := admin.Do(t.Context(), "ACL", "USERS").StringSlice()
	if err != nil || !slices.Equal(users, []string{"default", "photofinish"}) {
		t.Errorf("users %v, %v", users, err)
	}
	if got := admin.Get(t.Context(), "session:1").Val(); got != "of another application" {
		t.Errorf("the key of another application is %q", got)
	}
}

// localdev claims goes through keys by their names, and runs a script of its own.
func TestTheCacheUserMayInspect(t *testing.T) {
	t.Parallel()
	rdb := open(t, cacheUser(t, redistest.Server(t)))
	engine, err := claim.Open(rdb, "main", claim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	begun, err := engine.Begin(t.Context(), "k", "f", "A", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := claim.Partitions(t.Context(), rdb); err != nil || len(all) != 1 || all[0].Records != 1 {
		t.Errorf("partitions %v, %v", all, err)
	}
	for one, err := range engine.Inspections(t.Context(), "") {
		if err != nil || one.Lock == nil || one.Lock.Fence != begun.Fence {
			t.Errorf("%+v, %v", one, err)
		}
	}
	if freed, err := engine.Free(t.Context(), "A", claim.Held{ID: "k", Fence: begun.Fence}, "by hand"); err != nil || !freed {
		t.Errorf("free: %v, %v", freed, err)
	}
}
