package claim_test

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"hash/crc32"
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

func newCRC() hash.Hash { return crc32.NewIEEE() }

// idOf gives the id that a key is kept under.
func idOf(t testing.TB, e *claim.Engine, value any, o claim.HandlerOptions[any, int]) (id string, err error) {
	t.Helper()
	o.Key = claim.Selector[any]{Name: "the test's key", Value: func(v any) (any, error) { return v, nil }}
	o.Function = "pay"
	h, err := claim.Handler(e, o, func(ctx context.Context, _ any) (int, error) {
		c, ok := claim.FromContext(ctx)
		if !ok {
			t.Error("there is no claim in the context")
		}
		id = c.ID
		return 0, errDeclined // so that it can be used again
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h(context.Background(), value); !errors.Is(err, errDeclined) {
		return "", err
	}
	return id, nil
}

func TestKeysThatCanBeIDsStayReadableAndOthersAreHashed(t *testing.T) {
	t.Parallel()
	sum := func(s string) string {
		h := sha256.Sum256([]byte(s))
		return hex.EncodeToString(h[:])
	}
	e := plainEngine(t, redistest.Embedded(t))
	long := strings.Repeat("x", 197) // with pay: it is one too long
	for _, c := range []struct {
		key  any
		want string
	}{
		{"order-29", "pay:order-29"},
		{"a:b.c_d~e-F9", "pay:a:b.c_d~e-F9"},
		{long[1:], "pay:" + long[1:]},
		{long, "pay:~" + sum(long)},
		{"a b", "pay:~" + sum("a b")},
		{"}{main}:stock", "pay:~" + sum("}{main}:stock")},
		{"\x00\n", "pay:~" + sum("\x00\n")},
		{"日本", "pay:~" + sum("日本")},
		{"~" + sum("a b"), "pay:~" + sum("~"+sum("a b"))},
		{"~", "pay:~" + sum("~")},
		{29, "pay:29"},
		{json.Number("9007199254740993"), "pay:9007199254740993"},
		{-1.5, "pay:-1.5"},
		{false, "pay:false"},
		{0, "pay:0"},
		{[]string{"a", "b"}, "pay:~~" + sum(`["a","b"]`)},
		{`["a","b"]`, "pay:~" + sum(`["a","b"]`)},
		{map[string]any{"b": 1, "a": "x"}, "pay:~~" + sum(`{"a":"x","b":1}`)},
		{json.RawMessage(`{"b": 1, "a": "x"}`), "pay:~~" + sum(`{"a":"x","b":1}`)},
	} {
		id, err := idOf(t, e, c.key, claim.HandlerOptions[any, int]{})
		if err != nil || id != c.want {
			t.Errorf("%.40v: %s, %v, want %s", c.key, id, err, c.want)
		}
		if !claim.ValidID(id) {
			t.Errorf("%.40v: %q is no id", c.key, id)
		}
	}
}

func TestPrefixAndHashArePartOfTheID(t *testing.T) {
	t.Parallel()
	e := plainEngine(t, redistest.Embedded(t))
	for key, want := range map[string]string{"29": "prod.pay:29", "a b": "prod.pay:~" + hex.EncodeToString(md5Of("a b"))} {
		id, err := idOf(t, e, key, claim.HandlerOptions[any, int]{Prefix: "prod", Hash: md5.New})
		if err != nil || id != want {
			t.Errorf("%s, %v, want %s", id, err, want)
		}
	}
	r, ok, err := e.Lookup(t.Context(), "prod.pay:29")
	if err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	if r.Fingerprint != "" {
		t.Errorf("a key that was freed keeps the fingerprint %s", r.Fingerprint)
	}
}

func md5Of(s string) []byte {
	sum := md5.Sum([]byte(s))
	return sum[:]
}

func TestAnEventWithoutAKeyIsRefusedByNameOrRunUnguarded(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb *redis.Client) {
		e := plainEngine(t, rdb)
		for _, key := range []any{nil, "", []any{}, map[string]any{}, []any{"a", nil}, []any{"a", ""}, map[string]any{"a": nil}, (*string)(nil)} {
			_, err := idOf(t, e, key, claim.HandlerOptions[any, int]{})
			if k := want[*claim.KeyError](t, err); !errors.Is(err, claim.ErrNoKey) || k.Source != "the test's key" || !strings.Contains(err.Error(), k.Source) {
				t.Errorf("%v: %v, want that there is no key, and where it was looked for", key, err)
			}
			if claim.Unavailable(err) {
				t.Errorf("%v counts as if Redis were away", err)
			}
		}
		if n := rdb.DBSize(t.Context()).Val(); n != 0 {
			t.Errorf("%d keys were made in Redis", n)
		}
		var lines strings.Builder
		var s till
		h := payer(t, e, payOptions{WithoutKey: claim.Unguarded, Log: slog.New(slog.NewTextHandler(&lines, nil))}, s.pay)
		for range 2 {
			if r, err := h(t.Context(), payment{Amount: 5}); err != nil || r.Fence != 0 {
				t.Errorf("%+v, %v", r, err)
			}
		}
		s.worked(t, 2)
		if strings.Count(lines.String(), "level=WARN") != 2 {
			t.Errorf("logged, want a warning for each:\n%s", lines.String())
		}
	})
}

func TestAKeyThatCannotBeTakenIsNotTheSameAsNone(t *testing.T) {
	t.Parallel()
	e := plainEngine(t, redistest.Embedded(t))
	broken := errors.New("broken")
	o := payOptions{
		Key:        claim.Selector[payment]{Value: func(payment) (any, error) { return nil, broken }},
		Function:   "pay",
		WithoutKey: claim.Unguarded, Log: slog.New(slog.DiscardHandler),
	}
	var s till
	h, err := claim.Handler(e, o, s.pay)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h(t.Context(), payment{ID: "29"})
	if _ = want[*claim.KeyError](t, err); !errors.Is(err, broken) {
		t.Error(err)
	}
	o.Key, o.Content = byID, claim.Selector[payment]{Value: func(payment) (any, error) { return func() {}, nil }}
	if h, err = claim.Handler(e, o, s.pay); err != nil {
		t.Fatal(err)
	}
	_, err = h(t.Context(), payment{ID: "29"})
	if k := want[*claim.KeyError](t, err); k.ID != "pay:29" || !strings.Contains(err.Error(), "pay:29") {
		t.Errorf("%v does not name the key", err)
	}
	s.worked(t, 0)
}

// Whatever a key is, its id is one, it stays within its function, and different
// keys have different ids.
func FuzzIDs(f *testing.F) {
	e := plainEngine(f, redistest.Embedded(f))
	for _, s := range []string{"", "29", "order-29", "~29", "a b", "}{x}", "\xff\xfe", strings.Repeat("k", 300), "8e03978e-40d5-43e8-bc93-6894a57f9324"} {
		f.Add(s, "29")
	}
	f.Add("~~"+strings.Repeat("0", 64), "~"+strings.Repeat("0", 64))
	f.Fuzz(func(t *testing.T, a, b string) {
		ids := map[string]any{}
		for _, key := range []any{a, b, []string{a, b}} {
			id, err := idOf(t, e, key, claim.HandlerOptions[any, int]{})
			if errors.Is(err, claim.ErrNoKey) {
				if a != "" && b != "" {
					t.Errorf("%q is no key", key)
				}
				continue
			}
			if err != nil || !claim.ValidID(id) || !strings.HasPrefix(id, "pay:") {
				t.Fatalf("%q: %q, %v", key, id, err)
			}
			if other, taken := ids[id]; taken && a != b {
				t.Errorf("%q and %q have the same id %s", key, other, id)
			}
			ids[id] = key
		}
	})
}
