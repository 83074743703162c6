package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/order"
	"photofinish/shared/redistest"
)

// desk is a Redis and the commands that look at it.
type desk struct {
	t      *testing.T
	addr   string
	engine *claim.Engine
}

func newDesk(t *testing.T, rdb *redis.Client, partition string) *desk {
	t.Helper()
	engine, err := claim.Open(rdb, partition, claim.Options{MaxDeliveries: 1})
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t: t, addr: rdb.Options().Addr, engine: engine}
}

// localdev runs a command, and returns its status and what it printed.
func localdev(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(args, &out, &errs)
	return status, out.String(), errs.String()
}

// claims runs a subcommand that has to succeed.
func (d *desk) claims(args ...string) (stdout, stderr string) {
	d.t.Helper()
	status, stdout, stderr := localdev(append([]string{"claims"}, append(args, "--redis", d.addr)...)...)
	if status != 0 {
		d.t.Fatalf("claims %q: status %d: %s", args, status, stderr)
	}
	return stdout, stderr
}

// refused runs a subcommand that has to fail, and to say why.
func (d *desk) refused(want string, args ...string) {
	d.t.Helper()
	status, stdout, stderr := localdev(append([]string{"claims"}, append(args, "--redis", d.addr)...)...)
	if status != 1 || stdout != "" || !strings.Contains(stderr, want) {
		d.t.Errorf("claims %q: status %d, %q, %q, want 1 and …%s…", args, status, stdout, stderr, want)
	}
}

func (d *desk) place(ids ...string) {
	d.t.Helper()
	for _, id := range ids {
		o := order.Order{ID: id, Warehouse: d.engine.Keys().Partition(), Items: []order.Item{{SKU: "001", Quantity: 2}}}
		if _, err := d.engine.Place(d.t.Context(), claim.Placement{ID: id, Fingerprint: o.Fingerprint(), Message: o.Message(), Trace: "trace"}); err != nil {
			d.t.Fatal(err)
		}
	}
}

// win claims an order that was placed.
func (d *desk) win(owner, id string) claim.Held {
	d.t.Helper()
	won, err := d.engine.Claim(d.t.Context(), owner, time.Minute, []claim.Delivery{{ID: id, Count: 1}})
	if err != nil || won[0].Outcome != claim.Won {
		d.t.Fatalf("claim %s: %+v, %v", id, won, err)
	}
	return claim.Held{ID: id, Fence: won[0].Fence}
}

func (d *desk) begin(owner, id string, lease time.Duration) claim.Begun {
	d.t.Helper()
	begun, err := d.engine.Begin(d.t.Context(), id, "content", owner, lease)
	if err != nil || begun.Outcome != claim.Won {
		d.t.Fatalf("begin %s: %+v, %v", id, begun, err)
	}
	return begun
}

func (d *desk) end(owner string, held claim.Held, result string) {
	d.t.Helper()
	ends, err := d.engine.Settle(d.t.Context(), owner, claim.Respond, []claim.Settlement{{Held: held, Result: result}})
	if err != nil || ends[0].Outcome != claim.Done {
		d.t.Fatalf("settle %s: %+v, %v", held.ID, ends, err)
	}
}

// bury makes a dead letter of an order, with a message of its own.
func (d *desk) bury(id, message, reason string) {
	d.t.Helper()
	p := claim.Placement{ID: id, Fingerprint: id, Message: []byte(message), Variant: id, Flaw: reason}
	if placed, err := d.engine.Place(d.t.Context(), p); err != nil || placed.Verdict != claim.Buried {
		d.t.Fatalf("bury %s: %+v, %v", id, placed, err)
	}
}

// lines reads one JSON object a line.
func lines[T any](t *testing.T, text string) []T {
	t.Helper()
	var all []T
	for line := range strings.Lines(text) {
		var one T
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, one)
	}
	return all
}

func matches(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }

func ids(records []shownRecord) []string {
	var all []string
	for _, r := range records {
		all = append(all, r.ID)
	}
	slices.Sort(all)
	return all
}

// shelf has something of everything.
func shelf(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t, redistest.Server(t), "main")
	d.place("waiting", "held", "settled")
	d.win("A", "held")
	d.end("B", d.win("B", "settled"), "done")
	d.bury("dead", `{"001":2}`, "no contender could")
	d.begin("H", "pay-held", time.Minute)
	answered := d.begin("H", "pay-answered", time.Minute)
	d.end("H", claim.Held{ID: "pay-answered", Fence: answered.Fence}, `{"receipt":7}`)
	return d
}

func TestListShowsWhatMatches(t *testing.T) {
	t.Parallel()
	d := shelf(t)
	for name, tt := range map[string]struct {
		args []string
		want []string
	}{
		"all":            {nil, []string{"dead", "held", "pay-answered", "pay-held", "settled", "waiting"}},
		"by state":       {[]string{"--state", "settled"}, []string{"pay-answered", "settled"}},
		"dead":           {[]string{"--state", "dead"}, []string{"dead"}},
		"rejected":       {[]string{"--state", "rejected"}, nil},
		"held":           {[]string{"--held"}, []string{"held", "pay-held"}},
		"by prefix":      {[]string{"--prefix", "pay-"}, []string{"pay-answered", "pay-held"}},
		"held by prefix": {[]string{"--prefix", "pay-", "--held", "--partition", "main"}, []string{"pay-held"}},
		"no limit":       {[]string{"--limit", "0", "--warehouse", "main"}, []string{"dead", "held", "pay-answered", "pay-held", "settled", "waiting"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr := d.claims(append([]string{"list", "--json"}, tt.args...)...)
			if diff := cmp.Diff(tt.want, ids(lines[shownRecord](t, stdout)), cmpopts.EquateEmpty()); diff != "" || stderr != "" {
				t.Errorf("%s\n%s", diff, stderr)
			}
		})
	}
	if stdout, stderr := d.claims("list", "--limit", "2", "--json"); len(lines[shownRecord](t, stdout)) != 2 || !strings.Contains(stderr, "more than 2") {
		t.Errorf("with a limit: %s%s", stdout, stderr)
	}
	table, _ := d.claims("list")
	for _, want := range []string{
		`waiting\s+accepted\s+-\s+-\s+\S+\s+0`, `held\s+accepted\s+\S+s left\s+1\s+A\s+\S+\s+1`, `settled\s+settled\s+-\s+1\s+B\s+`,
		`pay-held\s+accepted \(plain\)\s+\S+s left\s+\d{10,}\s+H\s+\S+\s+1`,
	} {
		if !matches(want, table) {
			t.Errorf("the table has no line %s:\n%s", want, table)
		}
	}
	if stdout, _ := d.claims("list", "--state", "rejected"); stdout != "No record matches.\n" {
		t.Errorf("nothing: %q", stdout)
	}
	d.refused("--state lost", "list", "--state", "lost")
	d.refused("--limit", "list", "--limit", "-1")
	d.refused("prefix", "list", "--prefix", "a*")
}

func TestAPartitionThatIsNotThere(t *testing.T) {
	t.Parallel()
	d := shelf(t)
	for _, args := range [][]string{{"list"}, {"dead"}, {"show", "29"}, {"free", "29", "--yes"}, {"redrive", "29"}, {"redrive", "--all"}, {"discard", "29"}} {
		d.refused("has nothing of a partition west; it has main", append(args, "--partition", "west")...)
		d.refused("has nothing of a partition west; it has main", append(args, "--warehouse", "west", "--json")...)
	}
	d.refused("is not 1 to 64 letters", "list", "--partition", "a b")
	empty := newDesk(t, redistest.Server(t), "main")
	empty.refused("it has no partition at all", "list")
	if stdout, _ := empty.claims("list", "--partitions"); !strings.Contains(stdout, "has no partitions") {
		t.Errorf("no partitions: %q", stdout)
	}
}

func TestPartitionsAreListed(t *testing.T) {
	t.Parallel()
	d := shelf(t)
	west := newDesk(t, redis.NewClient(&redis.Options{Addr: d.addr}), "west")
	west.begin("H", "k", time.Minute)
	stdout, _ := d.claims("list", "--partitions", "--json")
	want := []shownPartition{{Partition: "main", Records: 6, Backlog: 2, Dead: 1}, {Partition: "west", Records: 1}}
	if diff := cmp.Diff(want, lines[shownPartition](t, stdout)); diff != "" {
		t.Error(diff)
	}
	if table, _ := d.claims("list", "--partitions"); !matches(`main\s+6\s+2\s+1\n`, table) {
		t.Error(table)
	}
	d.refused("none of the others can be", "list", "--partitions", "--held")
}

func TestShow(t *testing.T) {
	t.Parallel()
	d := shelf(t)
	now := time.Now()
	for id, want := range map[string]shownRecord{
		"waiting": {Mode: "placed", Status: "accepted", PlacedAt: &now, Message: map[string]any{"001": 2.0}, Trace: "trace", Entry: "any"},
		"held": {
			Mode: "placed", Status: "accepted", PlacedAt: &now, Message: map[string]any{"001": 2.0}, Trace: "trace", Entry: "any",
			Race: &shownRace{Winner: "A", Fence: 1, Contenders: 1, Deliveries: 1}, Lock: &shownLock{Owner: "A", Fence: 1, LeftMs: 60000},
		},
		"settled": {
			Mode: "placed", Status: "settled", PlacedAt: &now, EndedAt: &now, ExpiresAt: &now, Message: map[string]any{"001": 2.0}, Result: "done",
			Race: &shownRace{Winner: "B", Fence: 1, Contenders: 1, Deliveries: 1},
		},
		"dead": {Mode: "placed", Status: "dead", PlacedAt: &now, Message: map[string]any{"001": 2.0}, Reason: "no contender could", Letter: "any"},
		"pay-held": {
			Mode: "plain", Status: "accepted", BegunAt: &now, ExpiresAt: &now, Attempts: 1,
			Claim: &shownClaim{Owner: "H", Fence: 1}, Lock: &shownLock{Owner: "H", Fence: 1, LeftMs: 60000},
		},
		"pay-answered": {
			Mode: "plain", Status: "settled", BegunAt: &now, EndedAt: &now, ExpiresAt: &now, Attempts: 1,
			Claim: &shownClaim{Owner: "H", Fence: 1}, Response: map[string]any{"receipt": 7.0},
		},
	} {
		want.ID, want.Partition = id, "main"
		stdout, _ := d.claims("show", id)
		var got shownRecord
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Fatalf("%v: %s", err, stdout)
		}
		for _, l := range []*shownLock{got.Lock} {
			if l != nil && (l.LeftMs < 30000 || l.LeftMs > 60000) {
				t.Errorf("%s: %d ms are left", id, l.LeftMs)
			}
		}
		set := cmp.Options{ // that they are there
			cmp.Comparer(func(a, b *time.Time) bool { return (a == nil) == (b == nil) }),
			cmpopts.IgnoreFields(shownLock{}, "LeftMs", "Fence"), cmpopts.IgnoreFields(shownClaim{}, "Fence"),
			cmp.FilterPath(func(p cmp.Path) bool {
				return slices.Contains([]string{".Entry", ".Letter", ".Fingerprint"}, p.Last().String())
			}, cmp.Comparer(func(a, b string) bool { return (a == "") == (b == "") })),
		}
		want.Fingerprint = "any"
		if diff := cmp.Diff(want, got, set); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
		compact, _ := d.claims("show", id, "--json")
		if len(lines[shownRecord](t, compact)) != 1 {
			t.Errorf("show --json: %s", compact)
		}
	}
	d.refused("there is no record of 404 in partition main", "show", "404")
	d.refused("the id is not", "show", "a b")
}

func TestRedriveAndDiscard(t *testing.T) {
	t.Parallel()
	d := newDesk(t, redistest.Server(t), "main")
	d.place("alive")
	if stdout, _ := d.claims("dead"); stdout != "There are no dead letters.\n" {
		t.Errorf("none: %q", stdout)
	}
	for _, args := range [][]string{{"dead", "--json"}, {"redrive", "--all", "--json"}} {
		if stdout, _ := d.claims(args...); stdout != "" {
			t.Errorf("%q: %q", args, stdout)
		}
	}
	d.bury("good", `{"001":2}`, "nobody answered")
	d.bury("flawed", `not an order`, "not JSON\x07")
	d.bury("third", `{"001":2}`, "nobody answered")
	stdout, _ := d.claims("dead")
	if !matches(`good\s+\S+ \S+\s+nobody answered\n`, stdout) || strings.Contains(stdout, "\x07") {
		t.Error(stdout)
	}
	stdout, _ = d.claims("dead", "--json")
	if letters := lines[shownLetter](t, stdout); len(letters) != 3 || letters[1].ID != "flawed" || letters[1].Reason != "not JSON\x07" || time.Since(letters[1].At) > time.Minute {
		t.Errorf("%+v", letters)
	}

	if stdout, stderr := d.claims("redrive", "good"); stdout != "redriven: good\n" || stderr != "" {
		t.Errorf("%q, %q", stdout, stderr)
	}
	if stdout, stderr := d.claims("redrive", "flawed", "--json"); stdout != `{"id":"flawed","result":"redriven"}`+"\n" || !strings.Contains(stderr, "flawed will probably be dead again") {
		t.Errorf("%q, %q", stdout, stderr)
	}
	d.refused("order good is accepted, not dead", "redrive", "good")
	d.refused("there is no dead order 404", "redrive", "404")
	d.refused("name the ids, or give --all", "redrive")
	d.refused("name the ids, or give --all", "redrive", "--all", "good")

	d.refused("no dead letter of order alive", "discard", "alive")
	if stdout, _ := d.claims("discard", "third", "--retention", "1h"); stdout != "discarded: third\n" {
		t.Errorf("%q", stdout)
	}
	if one, err := d.engine.Inspect(t.Context(), "third"); err != nil || one[0].Expires <= 0 || one[0].Expires > time.Hour {
		t.Errorf("its record is kept for %v, %v", one[0].Expires, err)
	}

	// One that fails does not keep the others from it.
	d.bury("fourth", `{"001":2}`, "nobody answered")
	status, stdout, stderr := localdev("claims", "redrive", "404", "fourth", "--redis", d.addr)
	if status != 1 || stdout != "redriven: fourth\n" || !strings.Contains(stderr, "404") {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
	d.bury("fifth", `{"001":2}`, "nobody answered")
	for _, want := range []string{"redriven: fifth\n", "There are no dead letters.\n"} {
		if stdout, _ := d.claims("redrive", "--all"); stdout != want {
			t.Errorf("redrive --all: %q, want %q", stdout, want)
		}
	}
}

func TestEverySubcommandHelps(t *testing.T) {
	t.Parallel()
	for _, sub := range claimsCommand().Commands() {
		status, stdout, _ := localdev("claims", sub.Name(), "--help")
		for _, want := range []string{"Examples:\n  localdev claims " + sub.Name(), "--partition", "--redis", "--from-env", "--json"} {
			if status != 0 || !strings.Contains(stdout, want) {
				t.Errorf("claims %s --help lacks %s", sub.Name(), want)
			}
		}
	}
}

func TestAClusterIsInspected(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Cluster(t)
	addr := rdb.Options().Addrs[0]
	var names []string
	for n := range 6 { // on all nodes
		name := fmt.Sprintf("p%d", n)
		names = append(names, name)
		engine, err := claim.Open(rdb, name, claim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		d := &desk{t: t, addr: addr, engine: engine}
		d.place("1")
		d.begin("H", "pay", time.Minute)
	}
	for _, target := range []string{addr, "redis://" + addr, "redis+cluster://" + addr, "redis://" + addr + "?cluster=true"} {
		status, stdout, stderr := localdev("claims", "list", "--partitions", "--json", "--redis", target)
		if status != 0 {
			t.Fatal(stderr)
		}
		var got []string
		for _, p := range lines[shownPartition](t, stdout) {
			got = append(got, p.Partition)
		}
		if diff := cmp.Diff(names, got); diff != "" {
			t.Errorf("%s: %s", target, diff)
		}
	}
	d := &desk{t: t, addr: addr}
	for _, name := range names {
		stdout, _ := d.claims("list", "--json", "--partition", name)
		if got := ids(lines[shownRecord](t, stdout)); !slices.Equal(got, []string{"1", "pay"}) {
			t.Errorf("%s: %v", name, got)
		}
		d.claims("show", "1", "--partition", name)
		d.claims("free", "pay", "--force", "--yes", "--partition", name)
	}
	failed := 0
	for _, name := range names { // one node alone does not have them all
		if status, _, stderr := localdev("claims", "list", "--partition", name, "--redis", addr, "--cluster=false"); status != 0 {
			failed++
			if !strings.Contains(stderr, "the Redis is a cluster") {
				t.Errorf("%s: %s", name, stderr)
			}
		}
	}
	if failed == 0 {
		t.Error("one node has all partitions")
	}
}
