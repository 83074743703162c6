package main

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"time"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

func TestFree(t *testing.T) {
	t.Parallel()
	d := shelf(t)
	status, _, stderr := localdev("claims", "free", "pay-held", "--redis", d.addr)
	if status != 1 || !strings.Contains(stderr, "give --yes") {
		t.Errorf("without a terminal: status %d, %s", status, stderr)
	}
	for id, want := range map[string]string{
		"pay-held":     "H holds it (fence ",
		"pay-answered": "has ended: it is settled",
		"waiting":      "was placed and nobody holds it",
		"held":         "was placed, and is not freed by hand: A holds it (fence 1, ",
		"settled":      "has ended: it is settled",
		"dead":         "claims redrive",
		"404":          "there is no record of 404",
	} {
		d.refused(want, "free", id, "--yes")
		if id != "pay-held" {
			d.refused(want, "free", id, "--yes", "--force")
		}
	}
	if begun, err := d.engine.Begin(t.Context(), "pay-held", "content", "other", time.Minute); err != nil || begun.Outcome != claim.Busy {
		t.Fatalf("%+v, %v: what was refused has happened", begun, err)
	}

	stdout, stderr := d.claims("free", "pay-held", "--yes", "--force")
	if stdout != "freed: pay-held\n" || !strings.Contains(stderr, "H holds it (fence ") || !strings.Contains(stderr, d.addr) {
		t.Errorf("%q, %q", stdout, stderr)
	}
	d.refused("is free already", "free", "pay-held", "--yes")
	if begun, err := d.engine.Begin(t.Context(), "pay-held", "other content", "other", time.Minute); err != nil || begun.Outcome != claim.Won {
		t.Errorf("begun anew: %+v, %v", begun, err)
	}
}

// A key whose lease has ended without an end is free for the same content anyway;
// freed, it is for other content too.
func TestFreeAKeyWhoseLeaseHasEnded(t *testing.T) {
	t.Parallel()
	rdb := redistest.Server(t)
	d := newDesk(t, rdb, "main")
	d.begin("H", "k", time.Minute)
	if err := rdb.Del(t.Context(), d.engine.Keys().Lock("k")).Err(); err != nil { // as when its time is up
		t.Fatal(err)
	}
	stdout, stderr := d.claims("free", "k", "--yes", "--json")
	if stdout != `{"id":"k","result":"freed"}`+"\n" || !strings.Contains(stderr, "nobody holds it; it was begun last by H") {
		t.Errorf("%q, %q", stdout, stderr)
	}
}

func TestConfirmed(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"y\n": true, "Yes\n": true, "y \r\n": true, "y": true, "\n": false, "n\n": false, "no\n": false, "yy\n": false, "": false} {
		var asked bytes.Buffer
		if got := confirmed(&asked, bufio.NewReader(strings.NewReader(answer))); got != want || !strings.HasPrefix(asked.String(), "Free it? [y/N] ") {
			t.Errorf("%q is %v, asked %q", answer, got, asked.String())
		}
	}
}
