package picking

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/contender"
	"photofinish/shared/delivery"
	"photofinish/shared/telemetry"
)

// logs collects what contenders log.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

type line struct {
	Level     string
	Msg       string
	Function  string
	Order     string
	Outcome   claim.Outcome
	Contender string
	Warehouse string
	Status    claim.State
	Fence     int64
	Reason    string
}

func (l *logs) lines(t *testing.T) []line {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []line
	for text := range strings.Lines(l.buf.String()) {
		var one line
		if err := json.Unmarshal([]byte(text), &one); err != nil {
			t.Fatalf("a log line is not JSON: %v: %s", err, text)
		}
		lines = append(lines, one)
	}
	return lines
}

func contenderOf(t *testing.T, rdb redis.UniversalClient, change func(*Settings)) (*contender.Contender, *logs) {
	t.Helper()
	s := Settings{LockTTL: time.Minute, Retention: time.Hour, MaxDeliveries: 3}
	if change != nil {
		change(&s)
	}
	out := &logs{}
	c, err := New(rdb, s, nil, telemetry.New(out, "inventory", s.Telemetry))
	if err != nil {
		t.Fatal(err)
	}
	return c, out
}

func outcomes(a delivery.Answer) map[string]claim.Outcome {
	of := map[string]claim.Outcome{}
	for _, o := range a.Outcomes {
		of[o.Order] = o.Outcome
	}
	return of
}

// failed are the orders that the answer names as not ended.
func failed(b delivery.Batch, a delivery.Answer) []string {
	var ids []string
	for _, f := range a.BatchItemFailures {
		i := slices.IndexFunc(b.Deliveries, func(d claim.Delivery) bool { return d.Entry == f.ItemIdentifier })
		if i < 0 {
			ids = append(ids, "unknown "+f.ItemIdentifier)
			continue
		}
		ids = append(ids, b.Deliveries[i].ID)
	}
	slices.Sort(ids)
	return ids
}
