package claim_test

import (
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/claim/claimtest"
	"photofinish/shared/redistest"
)

var guard = regexp.MustCompile(`(?m)^.*-- guard: (.*)$`)

// Every check of ownership or state in the scripts is marked as a guard. Each is
// taken out in turn, and the conformance suite has to notice.
func TestEveryGuardIsNeeded(t *testing.T) {
	rdb := redistest.Server(t)
	guards := 0
	for _, script := range []string{"place", "claim", "renew", "settle", "release", "deadletter", "redrive", "discard", "receive", "take", "handback", "leave", "begin", "free"} {
		text := claim.Source(script)
		for _, at := range guard.FindAllStringSubmatchIndex(text, -1) {
			guards++
			broken := text[:at[0]] + text[at[1]:]
			t.Run(script+"/"+text[at[2]:at[3]], func(t *testing.T) {
				noticed := failing(t, rdb, script, broken)
				if len(noticed) == 0 {
					t.Fatalf("no case of the suite notices that this line is gone:\n%s", text[at[0]:at[1]])
				}
				t.Logf("noticed by: %s", strings.Join(noticed, "; "))
			})
		}
	}
	if guards < 27 {
		t.Errorf("%d guards found, want the 27 that the scripts have", guards)
	}
}

// failing runs the suite with one script replaced, and returns the names of the
// cases that fail.
func failing(t *testing.T, rdb *redis.Client, script, text string) (names []string) {
	open := func(rdb redis.UniversalClient, partition string, o claim.Options) (*claim.Engine, error) {
		e, err := claim.Open(rdb, partition, o)
		if err != nil {
			return nil, err
		}
		return claim.OpenWith(e, func(name string) string {
			if name == script {
				return text
			}
			return claim.Source(name)
		}), nil
	}
	for _, c := range claimtest.Cases() {
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(r, rdb, open)
		}()
		<-done
		if r.failed {
			names = append(names, c.Name)
		}
	}
	return names
}

// recorder is a testing.TB that notes a failure and keeps it to itself.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Error(...any)          { r.failed = true }
func (r *recorder) Fatalf(string, ...any) { r.FailNow() }
func (r *recorder) Fatal(...any)          { r.FailNow() }
func (r *recorder) FailNow() {
	r.failed = true
	runtime.Goexit()
}
