package emf

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

// document is a line as CloudWatch reads it.
type document struct {
	AWS struct {
		Timestamp         int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []metric
		}
	} `json:"_aws"`
}

func parse(t *testing.T, line string) (document, map[string]any) {
	t.Helper()
	var d document
	var all map[string]any
	for _, into := range []any{&d, &all} {
		if err := json.Unmarshal([]byte(line), into); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
	}
	return d, all
}

// Every metric that is announced has its value in the same line, and every
// dimension, too: otherwise CloudWatch drops it without a word.
func TestLinesAreWholeAndSplitByPartition(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := New(&out, "Shop", "inventory")
	r.now = func() time.Time { return time.UnixMilli(1_700_000_000_123) }
	for _, e := range []claim.Event{
		{Partition: "north", Step: claim.StepClaim, Outcome: "won"},
		{Partition: "main", Step: claim.StepClaim, Outcome: "won"},
		{Partition: "main", Step: claim.StepClaim, Outcome: "won"},
		{Partition: "main", Step: claim.StepClaim, Outcome: "busy"},
		{Partition: "main", Step: claim.StepClaim, Outcome: "already"},
		{Partition: "main", Step: claim.StepClaim, Outcome: "refused"},
		{Partition: "main", Step: claim.StepSettle, Outcome: "settled", Took: 1500 * time.Microsecond, LeaseUse: 0.25},
		{Partition: "main", Step: claim.StepSettle, Outcome: "lost", Took: 2 * time.Millisecond},
		{Partition: "main", Step: claim.StepRelease, Outcome: "dead"},
	} {
		r.Observe(e)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines, want one for each partition:\n%s", len(lines), out.String())
	}
	for _, line := range lines {
		d, all := parse(t, line)
		m := d.AWS.CloudWatchMetrics[0]
		if m.Namespace != "Shop" || d.AWS.Timestamp != 1_700_000_000_123 {
			t.Errorf("namespace and time: %s", line)
		}
		for _, metric := range m.Metrics {
			if all[metric.Name] == nil {
				t.Errorf("%s is announced and not there: %s", metric.Name, line)
			}
		}
		for _, dimension := range m.Dimensions[0] {
			if _, ok := all[dimension].(string); !ok {
				t.Errorf("dimension %s is not there: %s", dimension, line)
			}
		}
	}
	_, main := parse(t, lines[0])
	delete(main, "_aws")
	want := map[string]any{
		"Service": "inventory", "Partition": "main", "ClaimsWon": 2.0, "ClaimsBusy": 1.0, "ClaimsAlready": 1.0, "ClaimsRefused": 1.0,
		"ClaimsLost": 1.0, "Settled": 1.0, "Dead": 1.0, "LeaseUse": []any{25.0}, "SettleLatency": []any{1.5, 2.0},
	}
	if diff := cmp.Diff(want, main); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	out.Reset()
	if err := r.Flush(); err != nil || out.Len() != 0 {
		t.Errorf("a second flush writes %q, %v", out.String(), err)
	}
}

func TestALineHasNoMoreValuesThanCloudWatchTakes(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := New(&out, "Shop", "inventory")
	for range 250 {
		r.Observe(claim.Event{Partition: "main", Step: claim.StepSettle, Outcome: "settled", Took: time.Millisecond})
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	var settled, values int
	for line := range strings.Lines(out.String()) {
		_, all := parse(t, line)
		n := len(all["SettleLatency"].([]any))
		if n > 100 {
			t.Errorf("%d values in a line", n)
		}
		values += n
		settled += int(all["Settled"].(float64))
	}
	if values != 250 || settled != 250 {
		t.Errorf("%d values, %d settled, want 250 of each", values, settled)
	}
}

// What the engine itself tells ends up in the metrics.
func TestMetricsOfAnEngine(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var out bytes.Buffer
	r := New(&out, "Shop", "inventory")
	e, err := claim.Open(redistest.Embedded(t), "main", claim.Options{MaxDeliveries: 1, Observe: r.Observe})
	if err != nil {
		t.Fatal(err)
	}
	q := e.Queue("one")
	if err := q.Join(ctx); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if _, err := e.Place(ctx, claim.Placement{ID: id, Fingerprint: "f", Message: []byte("m")}); err != nil {
			t.Fatal(err)
		}
	}
	ds, err := q.Read(ctx, 10, -1)
	if err != nil {
		t.Fatal(err)
	}
	won, err := e.Claim(ctx, "A", time.Minute, append(ds, claim.Delivery{ID: "never"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Claim(ctx, "B", time.Minute, ds); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Settle(ctx, "A", claim.Respond, []claim.Settlement{{Held: won[0].Held()}}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Release(ctx, "A", []claim.Failure{{Held: won[1].Held(), Reason: "broken"}}); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	_, all := parse(t, out.String())
	for name, want := range map[string]float64{"ClaimsWon": 2, "ClaimsBusy": 2, "ClaimsRefused": 1, "Settled": 1, "Dead": 1} {
		if all[name] != want {
			t.Errorf("%s: %v, want %v", name, all[name], want)
		}
	}
	use := all["LeaseUse"].([]any)
	if len(use) != 1 || use[0].(float64) <= 0 || use[0].(float64) >= 100 {
		t.Errorf("lease use %v, want one value between 0 and 100", use)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestAWriterThatFails(t *testing.T) {
	t.Parallel()
	r := New(broken{}, "Shop", "inventory")
	r.Observe(claim.Event{Partition: "main", Step: claim.StepClaim, Outcome: "won"})
	if err := r.Flush(); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("flush: %v", err)
	}
}
