package simulate

import (
	"strings"
	"testing"
	"time"
)

// told makes calls about order o one after the other, each a second after the
// other, from lines such as "claim A 1000: won 1". A line that starts with & is of
// a call that runs beside the one before. An answer ? was lost.
func told(t *testing.T, lines ...string) []*Call {
	t.Helper()
	var calls []*Call
	for i, line := range lines {
		beside := strings.HasPrefix(line, "&")
		ask, answer, ok := strings.Cut(strings.TrimPrefix(line, "&"), ": ")
		if !ok {
			t.Fatalf("%q is no call", line)
		}
		part := append(strings.Fields(ask), "", "", "")
		at := time.Duration(i) * time.Second
		c := &Call{Step: part[0], Order: "o", call: 4*i + 1, ret: 4*i + 2, from: at, to: at + 10*time.Millisecond, known: answer != "?"}
		switch c.Step {
		case "place":
			c.Print = part[1]
		case "claim":
			c.Owner, c.Lease = part[1], ms(part[2])
		case "renew":
			c.Owner, c.Fence, c.Lease = part[1], part[2], ms(part[3])
		default:
			c.Owner, c.Fence = part[1], part[2]
		}
		c.answer = strings.Fields(answer)
		if !c.known {
			c.ret, c.to = forever, foreverAt
		}
		if beside {
			c.call, c.from = calls[i-1].call, calls[i-1].from
		}
		calls = append(calls, c)
	}
	return calls
}

func TestWhatTheSpecificationAllows(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]string{
		"one wins, settles, and others are told": {
			"place f: placed o", "claim A 5000: won 1", "claim B 5000: busy 1:A", "settle A 1: settled", "settle A 1: settled",
			"claim B 5000: already settled 1 A", "settle B 2: already settled 1 A", "place f: replayed o settled", "place g: conflict",
		},
		"the next one wins when the lease has ended": {
			"place f: placed o", "claim A 500: won 1", "claim B 5000: won 2", "settle A 1: lost", "settle B 2: rejected", "settle A 1: already rejected 2 B",
		},
		"a claim whose answer was lost has been won": {
			"place f: placed o", "claim A 5000: ?", "claim B 5000: busy 1:A", "claim A 5000: won 1", "settle A 1: settled",
		},
		"a claim whose answer was lost has not been won": {"place f: placed o", "claim A 5000: ?", "claim B 5000: won 1", "settle B 1: settled"},
		"a lease is renewed":                             {"place f: placed o", "claim A 1500: won 1", "renew A 1 5000: 1", "claim B 5000: busy 1:A"},
		"a lost claim is not renewed":                    {"place f: placed o", "claim A 500: won 1", "renew A 1 5000: 0", "claim B 5000: won 2"},
		"a release frees at once":                        {"place f: placed o", "claim A 5000: won 1", "release A 1: released", "claim B 5000: won 2", "release A 1: lost"},
		"the last release buries":                        {"place f: placed o", "claim A 5000: won 1", "release A 1: buried", "claim B 5000: already dead 1 A"},
		"an order is buried when nobody holds it":        {"place f: placed o", "claim A 500: won 1", "deadletter - -: buried", "settle A 1: already dead 1 A"},
		"of two at once one wins":                        {"place f: placed o", "claim A 5000: busy 1:B", "&claim B 5000: won 1"},
		"what was not placed is refused":                 {"claim A 5000: refused", "settle A 1: refused", "place f: placed o"},
	} {
		if problems := Linearizable(told(t, lines...)); len(problems) > 0 {
			t.Errorf("%s: %s", name, problems[0])
		}
	}
}

func TestWhatTheSpecificationRefuses(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]string{
		"two hold the lock":                             {"place f: placed o", "claim A 5000: won 1", "claim B 5000: won 2"},
		"two at once hold the lock":                     {"place f: placed o", "claim A 5000: won 1", "&claim B 5000: won 2"},
		"a fence is given twice":                        {"place f: placed o", "claim A 500: won 1", "claim B 5000: won 1"},
		"a fence is left out":                           {"place f: placed o", "claim A 500: won 1", "claim B 5000: won 3"},
		"a lost claim settles":                          {"place f: placed o", "claim A 500: won 1", "claim B 5000: won 2", "settle A 1: settled"},
		"a claim settles after its lease":               {"place f: placed o", "claim A 500: won 1", "settle A 1: settled"},
		"a claim within its lease is lost":              {"place f: placed o", "claim A 5000: won 1", "settle A 1: lost"},
		"an order ends twice":                           {"place f: placed o", "claim A 5000: won 1", "settle A 1: settled", "claim B 5000: won 2"},
		"an order ends in two ways":                     {"place f: placed o", "claim A 5000: won 1", "settle A 1: settled", "settle A 1: rejected"},
		"another has ended it than says so":             {"place f: placed o", "claim A 5000: won 1", "settle A 1: settled", "claim C 5000: already settled 1 B"},
		"it is busy and nobody holds it":                {"place f: placed o", "claim A 5000: busy 1:B"},
		"it is busy after a release":                    {"place f: placed o", "claim A 5000: won 1", "release A 1: released", "claim B 5000: busy 1:A"},
		"one that lost the lock releases it":            {"place f: placed o", "claim A 500: won 1", "claim B 5000: won 2", "release A 1: released"},
		"a lost claim is renewed":                       {"place f: placed o", "claim A 500: won 1", "renew A 1 5000: 1"},
		"an order is buried while it is held":           {"place f: placed o", "claim A 5000: won 1", "deadletter - -: buried"},
		"an order that ended is buried":                 {"place f: placed o", "claim A 5000: won 1", "settle A 1: settled", "deadletter - -: buried"},
		"it is placed twice":                            {"place f: placed o", "place f: placed o"},
		"what was never placed is won":                  {"claim A 5000: won 1", "place f: placed o"},
		"a claim whose answer was lost is won by two":   {"place f: placed o", "claim A 5000: ?", "claim B 5000: won 1", "claim C 5000: won 2"},
		"other content under an id is taken for a copy": {"place f: placed o", "place g: replayed o accepted"},
	} {
		if problems := Linearizable(told(t, lines...)); len(problems) == 0 {
			t.Errorf("%s: that is not seen", name)
		}
	}
}
