package claimtest

import (
	"errors"
	"strings"
	"testing"

	"photofinish/shared/claim"
)

var placeCases = []Case{
	{"a placed order is on record, in the stream and announced, once", func(t testing.TB, b Bench) {
		channel := "news-" + b.Keys().Partition()
		sub := b.Redis.Subscribe(ctx, channel)
		defer sub.Close()
		if _, err := sub.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		p := claim.Placement{ID: "29", Fingerprint: "fp", Message: []byte("m"), Channel: channel, Announcement: []byte("news")}
		for i, want := range []claim.Verdict{claim.Placed, claim.Replayed, claim.Replayed} {
			got, err := b.Place(ctx, p)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "verdict", got.Verdict, want)
			equal(t, "state", got.State, claim.Accepted)
			if got.PlacedAt == 0 || i > 0 && got.PlacedAt != b.record(t, "29").PlacedAt.UnixMilli() {
				t.Fatalf("placed at %d, on record at %v", got.PlacedAt, b.record(t, "29").PlacedAt)
			}
		}
		b.backlog(t, 1, 0)
		equal(t, "message", string(b.record(t, "29").Message), "m")
		// What comes after the marker would have been announced after it.
		if err := b.Redis.Publish(ctx, channel, "marker").Err(); err != nil {
			t.Fatal(err)
		}
		var heard []string
		for len(heard) == 0 || heard[len(heard)-1] != "marker" {
			m, err := sub.ReceiveMessage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			heard = append(heard, m.Payload)
		}
		equal(t, "announcements", strings.Join(heard, ","), "news,marker")
	}},

	{"an id used for other content is a conflict and changes nothing", func(t testing.TB, b Bench) {
		b.place(t, "29")
		got, err := b.Place(ctx, claim.Placement{ID: "29", Fingerprint: "other", Message: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "verdict", got.Verdict, claim.Conflict)
		b.backlog(t, 1, 0)
		equal(t, "fingerprint on record", b.record(t, "29").Fingerprint, "fp")
	}},

	{"with separate, other content is an order of its own, once", func(t testing.TB, b Bench) {
		b.place(t, "29")
		p := claim.Placement{ID: "29", Fingerprint: "other", Message: []byte("x"), OnConflict: claim.Separate, Variant: "29~other"}
		for _, want := range []claim.Verdict{claim.Placed, claim.Replayed} {
			got, err := b.Place(ctx, p)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "verdict", got.Verdict, want)
			equal(t, "id", got.ID, "29~other")
		}
		b.backlog(t, 2, 0)
	}},

	{"with separate, content known as a variant stays one when the plain id is free again", func(t testing.TB, b Bench) {
		b.place(t, "29")
		p := claim.Placement{ID: "29", Fingerprint: "other", OnConflict: claim.Separate, Variant: "29~other"}
		if _, err := b.Place(ctx, p); err != nil {
			t.Fatal(err)
		}
		if err := b.Redis.Del(ctx, b.Keys().Record("29")).Err(); err != nil {
			t.Fatal(err)
		}
		got, err := b.Place(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "verdict", got.Verdict, claim.Replayed)
		equal(t, "id", got.ID, "29~other")
	}},

	{"with bury, other content is a dead letter, once", func(t testing.TB, b Bench) {
		b.place(t, "29")
		p := claim.Placement{ID: "29", Fingerprint: "other", Message: []byte("x"), OnConflict: claim.Bury, Variant: "29~other"}
		for _, want := range []claim.Verdict{claim.Buried, claim.Replayed} {
			got, err := b.Place(ctx, p)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "verdict", got.Verdict, want)
		}
		b.backlog(t, 1, 0)
		letter := b.letters(t, 1)[0]
		equal(t, "dead order", letter.ID, "29~other")
		equal(t, "reason", letter.Reason, "order id 29 was used before for other content")
		equal(t, "state", b.record(t, "29~other").State, claim.Dead)
	}},

	{"a flawed order is a dead letter and leaves its plain id free", func(t testing.TB, b Bench) {
		got, err := b.Place(ctx, claim.Placement{ID: "29", Fingerprint: "bad", OnConflict: claim.Bury, Variant: "29~bad", Flaw: "items: is required"})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "verdict", got.Verdict, claim.Buried)
		equal(t, "reason", b.letters(t, 1)[0].Reason, "items: is required")
		b.place(t, "29")
	}},

	{"many orders are placed in one call, each on its own", func(t testing.TB, b Bench) {
		b.place(t, "taken")
		placed, err := b.PlaceAll(ctx, []claim.Placement{
			{ID: "a", Fingerprint: "1"}, {ID: "taken", Fingerprint: "other"}, {ID: "b", Fingerprint: "2"}, {ID: "a", Fingerprint: "1"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []claim.Verdict{claim.Placed, claim.Conflict, claim.Placed, claim.Replayed} {
			equal(t, placed[i].ID, placed[i].Verdict, want)
		}
		b.backlog(t, 3, 0)
	}},

	{"an id that could move a key to another slot is refused", func(t testing.TB, b Bench) {
		for _, id := range []string{"", "a{b}", "a b", "a\nb", "a}", strings.Repeat("x", 201), "é"} {
			if _, err := b.Place(ctx, claim.Placement{ID: id}); !errors.Is(err, claim.ErrInvalidID) {
				t.Errorf("place %q: %v, want ErrInvalidID", id, err)
			}
			if _, err := b.Claim(ctx, "o", lease, []claim.Delivery{{ID: id}}); !errors.Is(err, claim.ErrInvalidID) {
				t.Errorf("claim %q: %v, want ErrInvalidID", id, err)
			}
			if _, _, err := b.Lookup(ctx, id); !errors.Is(err, claim.ErrInvalidID) {
				t.Errorf("lookup %q: %v, want ErrInvalidID", id, err)
			}
		}
	}},

	{"the record of an order that has not ended never expires", func(t testing.TB, b Bench) {
		b.place(t, "29")
		equal(t, "TTL", b.Redis.PTTL(ctx, b.Keys().Record("29")).Val(), -1)
		c := b.win(t, "A", "29")
		b.release(t, "A", c, "why not")
		equal(t, "TTL", b.Redis.PTTL(ctx, b.Keys().Record("29")).Val(), -1)
	}},
}
