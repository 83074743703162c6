package contender

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
)

func TestPartsHaveEveryDeliveryOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := delivery.Batch{
			Contenders: rapid.IntRange(-1, 120).Draw(t, "contenders"),
			Lane:       rapid.IntRange(-1, 200).Draw(t, "lane"),
			Deliveries: make([]claim.Delivery, rapid.IntRange(1, delivery.MaxBatch).Draw(t, "size")),
		}
		for i := range b.Deliveries {
			b.Deliveries[i].Entry = fmt.Sprint(i)
		}
		seen := map[string]int{}
		cut := parts(b)
		for _, part := range cut {
			if len(part) == 0 {
				t.Fatal("an empty part")
			}
			for _, d := range part {
				seen[d.Entry]++
			}
		}
		if len(cut) > max(1, b.Contenders) {
			t.Fatalf("%d parts for %d contenders", len(cut), b.Contenders)
		}
		for _, d := range b.Deliveries {
			if seen[d.Entry] != 1 {
				t.Fatalf("delivery %s is there %d times", d.Entry, seen[d.Entry])
			}
		}
	})
}

// With enough to win, no two contenders begin with the same part.
func TestContendersBeginElsewhere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(1, 20).Draw(t, "contenders")
		b := delivery.Batch{Contenders: k, Deliveries: make([]claim.Delivery, k*rapid.IntRange(1, 10).Draw(t, "each"))}
		for i := range b.Deliveries {
			b.Deliveries[i].Entry = fmt.Sprint(i)
		}
		first := map[string]bool{}
		for b.Lane = range k {
			first[parts(b)[0][0].Entry] = true
		}
		if len(first) != k {
			t.Fatalf("%d contenders begin at %d places", k, len(first))
		}
	})
}

func TestInstancesHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	const stream = "2026/11/24/[$LATEST]0123456789abcdef0123456789abcdef"
	a, b := Instance(stream), Instance(stream)
	if a == b || len(a) != 14 || a[:6] != "abcdef" {
		t.Errorf("names %q and %q: want two that begin with the end of the log stream", a, b)
	}
	if name := Instance(""); len(name) != 8 {
		t.Errorf("name %q without a log stream", name)
	}
}
