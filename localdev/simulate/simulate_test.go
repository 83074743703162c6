package simulate

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9/logging"

	"photofinish/shared/claim"
)

var (
	seeds = flag.Uint64("seeds", 0, "how many seeds TestSimulation tries, from 1 on; 0: a modest number")
	seed  = flag.Uint64("seed", 0, "the one seed that TestSimulation runs, with its history; 0: many")
)

func TestMain(m *testing.M) {
	flag.Parse()
	logging.Disable() // connections break all the time here
	// Scripts leave much garbage and little lives: to collect it less often makes
	// the simulation faster by a quarter. The limit keeps that from going too far.
	debug.SetGCPercent(800)
	debug.SetMemoryLimit(1 << 30)
	runtime.MemProfileRate = 0
	m.Run()
}

// simulate runs a seed, and adds what is wrong with its calls.
func simulate(t *testing.T, seed uint64, flaw Flaw) (out Outcome) {
	defer func() { // a goroutine that is left
		if p := recover(); p != nil {
			out.Plan.Seed = seed
			out.Problems = append(out.Problems, fmt.Sprint(p))
		}
	}()
	synctest.Test(t, func(*testing.T) { out = Run(seed, flaw) })
	out.Problems = append(out.Problems, Linearizable(out.Calls)...)
	return out
}

// TestSimulation runs many seeds, or the one given, and prints the history of
// those in which something is wrong.
func TestSimulation(t *testing.T) {
	if *seed != 0 {
		out := simulate(t, *seed, Flaw{})
		fmt.Print(out.History())
		if len(out.Problems) > 0 {
			t.Fail()
		}
		return
	}
	n := *seeds
	if n == 0 {
		n = 1000
		if raceDetector || testing.Short() {
			n = 60
		}
	}
	seen := newSight()
	const enough = 3
	var next, done, wrong atomic.Uint64
	stop := progress(n, &done)
	each(func() {
		for s := next.Add(1); s <= n && wrong.Load() < enough; s = next.Add(1) {
			out := simulate(t, s, Flaw{})
			if len(out.Problems) > 0 {
				wrong.Add(1)
				t.Errorf("SEED=%d shows a problem. Its history:\n%s", s, out.History())
			}
			seen.add(out)
			done.Add(1)
		}
	})
	took := stop()
	t.Logf("%d seeds in %v, %.0f a second: %s", done.Load(), took.Round(time.Millisecond), float64(done.Load())/took.Seconds(), seen)
	if n >= 1000 && !t.Failed() {
		seen.check(t)
	}
}

// each runs f on every processor.
func each(f func()) {
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(f)
	}
	wg.Wait()
}

// progress says from time to time how far it is. stop tells how long it took.
func progress(n uint64, done *atomic.Uint64) (stop func() time.Duration) {
	start, end := time.Now(), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(10 * time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
			}
			rate := float64(done.Load()) / time.Since(start).Seconds()
			left := time.Duration(float64(n-done.Load()) / max(rate, 1) * float64(time.Second))
			fmt.Fprintf(os.Stderr, "simulate: %d of %d seeds, %.0f a second, %v to go\n", done.Load(), n, rate, left.Round(time.Second))
		}
	})
	return func() time.Duration {
		close(end)
		wg.Wait()
		return time.Since(start)
	}
}

// sight is what has been seen in the simulations, to know that they are worth
// something.
type sight struct {
	mu    sync.Mutex
	steps int
	time  time.Duration
	count map[string]int
}

func newSight() *sight { return &sight{count: map[string]int{}} }

func (s *sight) add(out Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps += out.Steps
	s.time += out.Time
	for f, n := range out.Faults {
		s.count["fault "+string(f)] += n
	}
	for is, n := range out.States {
		s.count["order "+string(is)] += n
	}
	for _, c := range out.Calls {
		s.count[c.Step+" "+c.word(0)]++
	}
	s.count["mode "+out.Plan.Mode]++
	s.count[fmt.Sprintf("admit %v", out.Plan.Admit)]++
	for _, o := range out.Plan.Orders {
		s.count["kind "+string(o.Kind)]++
	}
}

func (s *sight) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d steps, %v of time simulated", s.steps, s.time.Round(time.Second))
	for _, what := range slices.Sorted(maps.Keys(s.count)) {
		fmt.Fprintf(&b, ", %s %d", what, s.count[what])
	}
	return b.String()
}

func (s *sight) check(t *testing.T) {
	t.Helper()
	want := []string{
		"order settled", "order rejected", "order dead", "mode race", "mode hedge", "admit true", "admit false",
		"place placed", "place replayed", "place conflict",
		"claim won", "claim busy", "claim already", "renew 1", "renew 0",
		"settle settled", "settle rejected", "settle already", "settle lost", "settle failed",
		"release released", "release buried", "release lost", "deadletter buried", "deadletter busy", "deadletter gone",
	}
	for _, f := range allFaults {
		want = append(want, "fault "+string(f))
	}
	for _, k := range []Kind{Plain, Garbled, Crashing, Unfit} {
		want = append(want, "kind "+string(k))
	}
	for _, what := range want {
		if s.count[what] == 0 {
			t.Errorf("in no seed there was %q", what)
		}
	}
	if n := s.count["order "+string(claim.Accepted)]; n != 0 {
		t.Errorf("%d orders have not ended", n)
	}
}

// A seed shows the same whenever it is run, on however many processors, whatever
// runs beside it.
func TestASeedShowsTheSameEachTime(t *testing.T) {
	n := uint64(150)
	if raceDetector || testing.Short() {
		n = 20
	}
	histories := func(processors int) []string {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
		all := make([]string, n)
		var next atomic.Uint64
		each(func() {
			for s := next.Add(1); s <= n; s = next.Add(1) {
				all[s-1] = whole(simulate(t, s, Flaw{}))
			}
		})
		return all
	}
	first := histories(1)
	for _, processors := range []int{1, 2, 8} {
		for i, h := range histories(processors) {
			if diff := cmp.Diff(strings.Split(first[i], "\n"), strings.Split(h, "\n")); diff != "" {
				t.Fatalf("seed %d on %d processors differs from the first run:\n%s", i+1, processors, diff)
			}
		}
	}
}

// whole is all that can be said of a simulation.
func whole(out Outcome) string {
	var b strings.Builder
	b.WriteString(out.History())
	for _, c := range out.Calls {
		fmt.Fprintln(&b, c, c.from, c.to)
	}
	fmt.Fprintln(&b, out.Steps, out.Time, out.States)
	return b.String()
}
