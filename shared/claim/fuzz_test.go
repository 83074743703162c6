package claim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

// No id that is accepted moves a key to another slot, or makes it another's key.
func FuzzKeysStayInTheirPartition(f *testing.F) {
	for _, id := range []string{"29", "0193f1a2-7e1b-7c3d-9a53-5f0b5b3f1e2d", "a}{b", "{x}", "order:29", "~" + strings.Repeat("a", 64), "", "\x00", "é"} {
		f.Add(id, "main")
		f.Add("29", id)
	}
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	f.Cleanup(func() { _ = rdb.Close() })
	f.Fuzz(func(t *testing.T, id, partition string) {
		e, err := claim.Open(rdb, partition, claim.Options{})
		if err != nil || !claim.ValidID(id) {
			return
		}
		k := e.Keys()
		keys := []string{k.Stream(), k.Dead(), k.Beat(), k.Record(id), k.Lock(id), k.Receipt(id)}
		seen := map[string]bool{}
		for _, key := range keys {
			tag, _, closed := strings.Cut(strings.TrimPrefix(key, "{"), "}")
			if key[0] != '{' || !closed || tag != partition {
				t.Errorf("the hash tag of %q is not the partition %q", key, partition)
			}
			if seen[key] {
				t.Errorf("two kinds of key are both %q", key)
			}
			seen[key] = true
		}
	})
}

// Whatever bytes a message, a fingerprint, an owner, a result or a reason has, they
// come back as they went in, and disturb nothing.
func FuzzContentComesBackAsItWentIn(f *testing.F) {
	for _, s := range []string{`{"001":2,"002":1}`, "", "1:A", ":", "\x00\xff", "a\r\nb", "$-1\r\n", strings.Repeat("x", 5000), strings.Repeat("\xf0\x9f\x98\x80\xff", 200), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"} {
		f.Add([]byte(s), s, s)
	}
	rdb := redistest.Embedded(f)
	e, err := claim.Open(rdb, "main", claim.Options{MaxDeliveries: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, message []byte, owner, text string) {
		if err := rdb.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		q := e.Queue("one")
		if err := q.Join(ctx); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"a", "b"} {
			if _, err := e.Place(ctx, claim.Placement{ID: id, Fingerprint: text, Message: message}); err != nil {
				t.Fatal(err)
			}
		}
		ds, err := q.Read(ctx, 2, -1)
		if err != nil {
			t.Fatal(err)
		}
		cs, err := e.Claim(ctx, owner, time.Minute, ds)
		if err != nil || len(cs) != 2 {
			t.Fatal(cs, err)
		}
		for _, c := range cs {
			if c.Outcome != claim.Won || string(c.Message) != string(message) || c.Fence != 1 {
				t.Fatalf("claimed %+v, placed %q", c, message)
			}
		}
		ends, err := e.Settle(ctx, owner, claim.Respond, []claim.Settlement{{Held: cs[0].Held(), Result: text}})
		if err != nil || ends[0].State != claim.Settled || ends[0].Result != text {
			t.Fatalf("settled %+v with %q, %v", ends, text, err)
		}
		if _, err := e.Release(ctx, owner, []claim.Failure{{Held: cs[1].Held(), Reason: text}}); err != nil {
			t.Fatal(err)
		}
		r, _, err := e.Lookup(ctx, "a")
		if err != nil || r.Owner != owner || r.Fingerprint != text || r.Result != text || string(r.Message) != string(message) {
			t.Fatalf("on record %+v, %v; the owner is %q, the text %q", r, err, owner, text)
		}
		letters, err := e.Letters(ctx, "", 10)
		if err != nil || len(letters) != 1 || !strings.HasPrefix(text, letters[0].Reason) {
			t.Fatalf("letters %+v for the reason %q, %v", letters, text, err)
		}
	})
}

// A record in Redis that something else has written is read as far as it goes.
func FuzzParseRecord(f *testing.F) {
	for _, s := range []string{"1:A.1", "settled", "1795521654499", "-1", "9223372036854775808", ":", "", "\xff"} {
		f.Add(s, s, s, s)
	}
	f.Fuzz(func(t *testing.T, state, by, at, took string) {
		r := claim.ParseRecord("29", map[string]string{"state": state, "claim": by, "at": at, "took": took})
		if r.ID != "29" || string(r.State) != state {
			t.Errorf("%+v", r)
		}
		if r.Fence < 0 && !strings.HasPrefix(by, "-") {
			t.Errorf("fence %d of %q", r.Fence, by)
		}
	})
}
