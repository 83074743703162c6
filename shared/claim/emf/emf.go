// Package emf writes what the engine observes as metrics in CloudWatch's embedded
// metric format: lines of JSON in the log, from which CloudWatch makes metrics.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
package emf

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"photofinish/shared/claim"
)

// Metrics by what a step answered. All are counts.
var counts = map[claim.Step]map[string]string{
	claim.StepClaim: {
		"won": "ClaimsWon", "busy": "ClaimsBusy", "already": "ClaimsAlready",
		"refused": "ClaimsRefused", "conflict": "ClaimsConflict",
	},
	claim.StepSettle: {
		"settled": "Settled", "rejected": "Rejected", "failed": "Failed",
		"lost": "ClaimsLost", "already": "ClaimsLost", "refused": "ClaimsLost",
	},
	claim.StepRelease: {
		"released": "Released", "freed": "Released", "dead": "Dead", "lost": "ClaimsLost",
	},
}

// Metrics that have a value for each order.
const (
	leaseUse      = "LeaseUse"      // how much of its lease a claim took, in percent
	settleLatency = "SettleLatency" // round trip of the batch that it was settled with, in ms
)

// maxValues is how many values a metric may have in one line.
const maxValues = 100

// Recorder collects metrics until they are flushed. It is safe for concurrent use.
// A nil Recorder does nothing.
type Recorder struct {
	w         io.Writer
	namespace string
	service   string
	now       func() time.Time

	mu    sync.Mutex
	parts map[string]*part // by partition
	err   error            // of the last line that could not be written
}

type part struct {
	counts map[string]int
	values map[string][]float64
}

// New makes a recorder of metrics in a namespace of CloudWatch. They have two
// dimensions: the service, such as the name of the program, and the partition.
func New(w io.Writer, namespace, service string) *Recorder {
	return &Recorder{w: w, namespace: namespace, service: service, now: time.Now, parts: map[string]*part{}}
}

// Observe takes in an event; it is made for claim.Options.Observe.
func (r *Recorder) Observe(e claim.Event) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.parts[e.Partition]
	if p == nil {
		p = &part{counts: map[string]int{}, values: map[string][]float64{}}
		r.parts[e.Partition] = p
	}
	if name, ok := counts[e.Step][e.Outcome]; ok {
		p.counts[name]++
	}
	if e.Step != claim.StepSettle {
		return
	}
	p.values[settleLatency] = append(p.values[settleLatency], float64(e.Took.Microseconds())/1000)
	if e.LeaseUse > 0 {
		p.values[leaseUse] = append(p.values[leaseUse], 100*e.LeaseUse)
	}
	if len(p.values[settleLatency]) == maxValues {
		r.err = r.write(e.Partition, p)
		delete(r.parts, e.Partition)
	}
}

// Flush writes what was collected, one line for each partition. A Lambda function
// calls it before it answers, since it may be frozen after that.
func (r *Recorder) Flush() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.err
	r.err = nil
	for _, partition := range slices.Sorted(maps.Keys(r.parts)) {
		if e := r.write(partition, r.parts[partition]); e != nil {
			err = e
		}
	}
	clear(r.parts)
	return err
}

type metric struct {
	Name string
	Unit string
}

func (r *Recorder) write(partition string, p *part) error {
	if len(p.counts) == 0 && len(p.values) == 0 {
		return nil
	}
	line := map[string]any{"Service": r.service, "Partition": partition}
	var metrics []metric
	for _, name := range slices.Sorted(maps.Keys(p.counts)) {
		metrics = append(metrics, metric{name, "Count"})
		line[name] = p.counts[name]
	}
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		unit := "Milliseconds"
		if name == leaseUse {
			unit = "Percent"
		}
		metrics = append(metrics, metric{name, unit})
		line[name] = p.values[name]
	}
	line["_aws"] = map[string]any{
		"Timestamp": r.now().UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{
			"Namespace":  r.namespace,
			"Dimensions": [][]string{{"Service", "Partition"}},
			"Metrics":    metrics,
		}},
	}
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("emf: %w", err)
	}
	if _, err := r.w.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("emf: %w", err)
	}
	return nil
}
