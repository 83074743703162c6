//go:build unix && !linux

package process

import (
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// sampleEvery bounds the cost of asking ps.
const sampleEvery = time.Second

// vitals are what ps knows of a child.
type vitals struct {
	pid     int
	peak    int64
	sampled time.Time
}

func openVitals(pid int) *vitals { return &vitals{pid: pid} }

func (v *vitals) close() {}

// alive cannot see a fatal signal that is on its way.
func (v *vitals) alive() bool { return true }

// peakMemory is the largest resident size that ps was seen to report: without
// /proc the true peak of a running process is not to be had, and a peak between
// two samples goes unseen.
func (v *vitals) peakMemory() int64 {
	if now := time.Now(); now.Sub(v.sampled) >= sampleEvery {
		v.sampled = now
		out, err := exec.Command("/bin/ps", "-o", "rss=", "-p", strconv.Itoa(v.pid)).Output()
		if kb, perr := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64); err == nil && perr == nil {
			v.peak = max(v.peak, kb<<10)
		}
	}
	return v.peak
}
