package order_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"photofinish/shared/order"
)

// orders are valid ones; quantities and SKUs collide often.
var orders = rapid.Custom(func(t *rapid.T) order.Order {
	sku := rapid.OneOf(rapid.SampledFrom([]string{"1", "12", "2", "a", "A"}), rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._:-]{0,63}`))
	return order.Order{
		ID:        rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._:-]{0,127}`).Draw(t, "id"),
		Warehouse: rapid.SampledFrom([]string{"main", "east", "1"}).Draw(t, "warehouse"),
		Items: rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) order.Item {
			return order.Item{SKU: sku.Draw(t, "sku"), Quantity: rapid.OneOf(rapid.Int64Range(1, 3), rapid.Int64Range(1, order.MaxQuantity)).Draw(t, "quantity")}
		}), 1, order.MaxItems, func(i order.Item) string { return i.SKU }).Draw(t, "items"),
	}
})

func sorted(items []order.Item) []order.Item {
	return slices.SortedFunc(slices.Values(items), func(a, b order.Item) int { return strings.Compare(a.SKU, b.SKU) })
}

func TestFingerprintsAreEqualForTheSameContentOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := orders.Draw(t, "order")
		reordered := a
		reordered.ID = "another"
		reordered.Items = rapid.Permutation(a.Items).Draw(t, "reordered")
		if a.Fingerprint() != reordered.Fingerprint() {
			t.Fatalf("%v and %v differ", a, reordered)
		}
		b := orders.Draw(t, "other order")
		same := a.Warehouse == b.Warehouse && cmp.Equal(sorted(a.Items), sorted(b.Items))
		if (a.Fingerprint() == b.Fingerprint()) != same {
			t.Fatalf("%v and %v: fingerprints %s and %s", a, b, a.Fingerprint(), b.Fingerprint())
		}
		i := rapid.IntRange(0, len(a.Items)-1).Draw(t, "changed")
		changed := a
		changed.Items = slices.Clone(a.Items)
		changed.Items[i].Quantity++
		if a.Fingerprint() == changed.Fingerprint() {
			t.Fatalf("one more of %s has the same fingerprint", a.Items[i].SKU)
		}
		changed.Items, changed.Warehouse = a.Items, a.Warehouse+"x"
		if a.Fingerprint() == changed.Fingerprint() {
			t.Fatal("another warehouse has the same fingerprint")
		}
	})
}

// Records in Redis outlive the program: what it compares with must not change.
func TestFingerprintsStayTheSameFromVersionToVersion(t *testing.T) {
	t.Parallel()
	o := order.Order{ID: "29", Warehouse: "main", Items: []order.Item{{SKU: "002", Quantity: 1}, {SKU: "001", Quantity: 2}}}
	if got, want := o.Fingerprint(), "Ye7f3_ReoZbR6QdgnavYjQ"; got != want {
		t.Errorf("fingerprint %q, want %q", got, want)
	}
	if got, want := string(o.Message()), `{"001":2,"002":1}`; got != want {
		t.Errorf("message %s, want %s", got, want)
	}
	if got, want := string(o.Announcement()), `{"orderId":"29","warehouse":"main","items":[{"id":"002","quantity":1},{"id":"001","quantity":2}]}`; got != want {
		t.Errorf("announcement %s, want %s", got, want)
	}
}

func TestMessagesComeBackAsTheyWent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := orders.Draw(t, "order")
		items, err := order.Items(o.Message())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(sorted(o.Items), items); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

// What is announced on the channel is an order to those who place from there,
// and to those who POST it.
func TestAnnouncementsAreOrders(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := orders.Draw(t, "order")
		foreign, err := order.ParseForeign(o.Announcement(), "elsewhere")
		if err != nil || foreign.Flaw != "" || !foreign.OwnID {
			t.Fatalf("%+v, %v", foreign, err)
		}
		parsed, err := order.Parse(o.Announcement())
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range []order.Order{foreign.Order, parsed} {
			if diff := cmp.Diff(o, got); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
		}
		if foreign.Fingerprint() != o.Fingerprint() {
			t.Fatal("the fingerprint differs, so that the order would be placed twice")
		}
	})
}

func TestStoredMessagesThatAreNone(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]string{
		"nothing": "", "text": "xx", "null": "null", "array": "[]", "empty": "{}", "cut off": `{"001":2`,
		"zero": `{"001":0}`, "negative": `{"001":-1}`, "fraction": `{"001":1.5}`, "string": `{"001":"2"}`, "null quantity": `{"001":null}`,
		"one too many": `{"001":1000001}`, "bad SKU": `{"a,b":1}`, "no SKU": `{"":1}`, "two": `{"001":2}{"002":1}`,
	} {
		if items, err := order.Items([]byte(message)); err == nil || !strings.HasPrefix(err.Error(), "order: the stored message") {
			t.Errorf("%s: %v, %v, want an error that says what is wrong", name, items, err)
		}
	}
}

func TestIDsStayInsideTheirKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("aZ0._:-~{}*? \n\x00é")))).Draw(t, "text")
		for what, valid := range map[string]bool{"id": order.ValidID(s), "SKU": order.ValidSKU(s), "warehouse": order.ValidWarehouse(s)} {
			if !valid {
				continue
			}
			if s == "" || strings.ContainsAny(s, "{}*?~, \n\x00/%") || strings.IndexByte("._:-", s[0]) >= 0 {
				t.Fatalf("%q is valid as %s", s, what)
			}
			if b, err := json.Marshal(s); err != nil || string(b) != `"`+s+`"` {
				t.Fatalf("%q is not itself in JSON: %s", s, b)
			}
		}
	})
}
