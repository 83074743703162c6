package simulate

import (
	"flag"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// flaw is a mistake, and within how many seeds it has to be found.
type flaw struct {
	name   string
	within uint64
	Flaw
}

// without takes the line of a guard out of a script.
func without(script, guard string) func(name, text string) string {
	line := regexp.MustCompile(`(?m)^.*-- guard: ` + regexp.QuoteMeta(guard) + `$`)
	return edit(script, func(text string) string { return line.ReplaceAllString(text, "") })
}

func replaced(script, old, by string) func(name, text string) string {
	return edit(script, func(text string) string { return strings.Replace(text, old, by, 1) })
}

func edit(script string, change func(text string) string) func(name, text string) string {
	var known sync.Map
	return func(name, text string) string {
		if name != script {
			return text
		}
		if by, ok := known.Load(text); ok {
			return by.(string)
		}
		by := change(text)
		if by == text {
			panic("the script " + script + " has not the line that the flaw is about")
		}
		known.Store(text, by)
		return by
	}
}

func both(a, b func(name, text string) string) func(name, text string) string {
	return func(name, text string) string { return b(name, a(name, text)) }
}

var flaws = []flaw{
	{"settle does not look at the lock", 50, Flaw{Script: without("settle", "mine")}},
	{"settle does not look whether the order has ended", 50, Flaw{Script: without("settle", "done is final")}},
	{"settle looks at neither", 50, Flaw{Script: both(without("settle", "mine"), without("settle", "done is final"))}},
	{"settle does not know its own answer again", 1000, Flaw{Script: without("settle", "replayed")}},
	{"settle forgets to drop the lock", 50, Flaw{Script: replaced("settle", "redis.call('DEL', lock)", "")}},
	{"settle drops the done mark", 50, Flaw{Script: replaced("settle", "'state', verdict", "'state', state")}},
	{"claim takes a lock that another holds", 50, Flaw{Script: both(
		replaced("claim", "if not held and redis.call", "if redis.call"), replaced("claim", "'NX', ", ""))}},
	{"claim wins an order that has ended", 50, Flaw{Script: without("claim", "done is final")}},
	{"claim gives every winner the same fence", 50, Flaw{Script: replaced("claim", "tonumber(fence or 0) + 1", "1")}},
	{"release drops the lock of another", 1000, Flaw{Script: without("release", "mine")}},
	{"renew revives a claim that was lost", 50, Flaw{Script: without("renew", "mine")}},
	{"place places a repeated order again", 50, Flaw{Script: without("place", "placed once")}},
	{"place takes other content under the same id", 50, Flaw{Script: without("place", "same content")}},
	{"an order is buried while a contender holds it", 2000, Flaw{Script: without("deadletter", "nobody's")}},
	{"a bridge that leaves takes what is pending along", 500, Flaw{Script: without("leave", "nothing pending")}},
	{"the effect does not look at the stock", 50, Flaw{Script: replaced("settle", "if have < want then", "if false then")}},
	{"the bridge takes an answer for the end of its orders", 50, Flaw{AckAnswers: true}},
}

var named = flag.String("flaw", "", "TestAFlawIsFound tries only flaws with this in their name")

// Each flaw is put in, and some seed has to show a problem.
func TestAFlawIsFound(t *testing.T) {
	for _, f := range flaws {
		if !strings.Contains(f.name, *named) || raceDetector && f.within > 50 {
			continue // with the race detector those that take many seeds take too long
		}
		t.Run(f.name, func(t *testing.T) {
			seed, problem := search(t, f)
			if problem == "" {
				t.Fatalf("not found in %d seeds", f.within)
			}
			first, _, _ := strings.Cut(problem, "\n")
			t.Logf("found by seed %d: %s", seed, first)
		})
	}
}

// search tries seeds until one finds the flaw, and returns the first that does.
func search(t *testing.T, f flaw) (seed uint64, problem string) {
	var next, found atomic.Uint64
	found.Store(f.within + 1)
	var mu sync.Mutex
	each(func() {
		for s := next.Add(1); s < found.Load(); s = next.Add(1) {
			out := simulate(t, s, f.Flaw)
			if len(out.Problems) == 0 {
				continue
			}
			mu.Lock()
			if s < found.Load() {
				found.Store(s)
				problem = out.Problems[0]
			}
			mu.Unlock()
		}
	})
	return found.Load(), problem
}
