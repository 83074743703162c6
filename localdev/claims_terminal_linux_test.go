package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

// terminalPair is a terminal, and the end at which its user sits.
func terminalPair(t *testing.T) (user, tty *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = user.Close() })
	if err := unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return user, tty
}

// asked calls a function at each question.
type asked struct {
	bytes.Buffer
	then func()
}

func (a *asked) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("[y/N]")) {
		a.then()
	}
	return a.Buffer.Write(p)
}

// While somebody thinks about the question, another call begins the key: its claim
// is not the one that was shown.
func TestFreeIsOfTheClaimThatWasShown(t *testing.T) {
	t.Parallel()
	d := newDesk(t, redistest.Server(t), "main")
	first := d.begin("H", "k", time.Minute)
	user, tty := terminalPair(t)
	cmd := command()
	var out bytes.Buffer
	errs := &asked{then: func() {
		if freed, err := d.engine.Free(t.Context(), "H", claim.Held{ID: "k", Fence: first.Fence}, "failed"); err != nil || !freed {
			t.Error(freed, err)
		}
		d.begin("another", "k", time.Minute)
		if _, err := user.WriteString("y\n"); err != nil {
			t.Error(err)
		}
	}}
	cmd.SetArgs([]string{"claims", "free", "k", "--force", "--redis", d.addr})
	cmd.SetIn(tty)
	cmd.SetOut(&out)
	cmd.SetErr(errs)
	if err := cmd.ExecuteContext(t.Context()); err == nil || out.String() != "" || !strings.Contains(errs.String(), "k has changed meanwhile") {
		t.Errorf("%v, %q, %q", err, out.String(), errs.String())
	}
	if one, err := d.engine.Inspect(t.Context(), "k"); err != nil || one[0].Lock == nil || one[0].Lock.Owner != "another" {
		t.Errorf("%+v, %v", one, err)
	}
}

func TestFreeAsksOnATerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t, redistest.Server(t), "main")
	d.begin("H", "one", time.Minute)
	d.begin("H", "two", time.Minute)
	user, tty := terminalPair(t)
	if _, err := user.WriteString("n\ny\n"); err != nil {
		t.Fatal(err)
	}
	cmd := command()
	var out, errs bytes.Buffer
	cmd.SetArgs([]string{"claims", "free", "one", "two", "--force", "--redis", d.addr})
	cmd.SetIn(tty)
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	err := cmd.ExecuteContext(t.Context())
	if err == nil || out.String() != "freed: two\n" || strings.Count(errs.String(), "Free it? [y/N]") != 2 || !strings.Contains(errs.String(), "one is left as it is") {
		t.Errorf("%v, %q, %q", err, out.String(), errs.String())
	}
	for id, held := range map[string]bool{"one": true, "two": false} {
		if one, err := d.engine.Inspect(t.Context(), id); err != nil || (one[0].Lock != nil) != held {
			t.Errorf("%s: %+v, %v", id, one, err)
		}
	}
}
