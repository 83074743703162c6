package fanout

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/redistest"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	server := redistest.Server(t)
	link := redistest.NewLink(t, server)
	link.Cut()
	rdb := redis.NewClient(&redis.Options{Addr: link.Addr, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = rdb.Close() })
	newShop(t, server, "main")
	s := quick()
	s.HealthAddr = "127.0.0.1:0"
	c, _ := contend(s, nil)
	b := start(t, rdb, s, c)
	until(t, "health to be served", func() bool { return len(b.log.lines(t, "health served")) == 1 })
	url := fmt.Sprintf("http://%s/healthz", b.log.lines(t, "health served")[0]["addr"])
	get := func() (int, string) {
		t.Helper()
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	if code, body := get(); code != http.StatusServiceUnavailable || !strings.Contains(body, "main") {
		t.Errorf("with Redis away from the start: %d %s", code, body)
	}
	link.Mend(t)
	until(t, "the bridge to be healthy", func() bool { code, _ := get(); return code == http.StatusOK })
	b.stop(t)
	if res, err := http.Get(url); err == nil {
		_ = res.Body.Close()
		t.Error("health is served after the end")
	}
}

func TestALaneIsQuietFromItsLastSignOfLife(t *testing.T) {
	t.Parallel()
	l := newLane(newShop(t, redistest.Embedded(t), "main").engine, "me", quick(), nil, nil, (&logs{}).logger())
	if l.quiet() < beatTTL {
		t.Error("a lane that never gave a sign counts as alive")
	}
	l.beaten = time.Now()
	if l.quiet() > beatTTL {
		t.Error("a lane that just gave one counts as dead")
	}
}
