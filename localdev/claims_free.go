package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"photofinish/shared/claim"
)

func freeCommand() *cobra.Command {
	i := &inspector{}
	var force, yes bool
	cmd := i.command(&cobra.Command{
		Use:   "free ID…",
		Short: "Free a plain key that has not ended, so that the next call begins it at once",
		Long: `free gives back a key that a handler has begun and not ended, as the handler does
itself when it fails: the next call begins it at once, with other content too. It
is for a key that is stuck, such as one that was begun with wrong content.

It says who holds the key and for how much longer, and asks. While a lease is
running it refuses, for the handler may well be at work; it would be free without
help when the lease ends. With --force it is freed all the same: the handler goes
on, finds out only at the end that its claim is lost, and what it has done outside
of Redis by then may be done again by the next call.

Only the claim that was shown is freed: if another call begins the key meanwhile,
nothing happens. An order that was placed is never freed. It is delivered again when
the lease ends, and a dead one is given a new start by redrive.`,
		Example: `  localdev claims free pay:7f3a --partition payments
  localdev claims free pay:7f3a --partition payments --force --yes --from-env`,
		Args: cobra.MinimumNArgs(1),
	}, func(args []string) error {
		in := i.cmd.InOrStdin()
		if f, ok := in.(*os.File); !yes && (!ok || !term.IsTerminal(int(f.Fd()))) {
			return errors.New("free asks before it does anything, and there is no terminal: give --yes")
		}
		answers := bufio.NewReader(io.LimitReader(in, 1<<16))
		return i.each(args, func(id string) error {
			one, err := i.look(id)
			if err != nil {
				return err
			}
			if err := freeable(one, force); err != nil {
				return err
			}
			fmt.Fprintf(i.cmd.ErrOrStderr(), "%s in partition %s of redis %s: %s\n", id, i.partition, i.name, holder(one))
			if !yes && !confirmed(i.cmd.ErrOrStderr(), answers) {
				return fmt.Errorf("%s is left as it is", id)
			}
			freed, err := i.engine.Free(i.cmd.Context(), one.Owner, claim.Held{ID: id, Fence: one.Fence}, "freed by hand")
			if err != nil {
				return err
			}
			if !freed {
				return fmt.Errorf("%s has changed meanwhile, and is left as it is: look at it again", id)
			}
			return i.done(id, "freed")
		})
	})
	cmd.Flags().BoolVar(&force, "force", false, "free it although its lease is running")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// freeable returns an error that says what to do instead, if a key cannot be freed.
func freeable(one claim.Inspection, force bool) error {
	switch {
	case one.State == claim.Settled || one.State == claim.Rejected:
		return fmt.Errorf("%s has ended: it is %s, and calls with it are answered from its record", one.ID, one.State)
	case one.State == claim.Dead:
		return fmt.Errorf("%s was placed and is dead, nobody holds it: localdev claims redrive gives it a new start", one.ID)
	case !one.Plain && one.Lock != nil:
		return fmt.Errorf("%s was placed, and is not freed by hand: %s; when that ends it is delivered again", one.ID, holder(one))
	case !one.Plain:
		return fmt.Errorf("%s was placed and nobody holds it: it is waiting for its next delivery", one.ID)
	case one.Fingerprint == "" && one.Lock == nil:
		return fmt.Errorf("%s is free already: the next call begins it", one.ID)
	case one.Lock != nil && !force:
		return fmt.Errorf("%s is not freed: %s, and may be at work; wait for that to end, or give --force", one.ID, holder(one))
	default:
		return nil
	}
}

func holder(one claim.Inspection) string {
	if one.Lock == nil {
		return fmt.Sprintf("nobody holds it; it was begun last by %s (fence %d), whose lease has ended", printable(one.Owner), one.Fence)
	}
	return fmt.Sprintf("%s holds it (fence %d, %s)", printable(one.Lock.Owner), one.Lock.Fence, left(one.Lock))
}

func confirmed(w io.Writer, answers *bufio.Reader) bool {
	fmt.Fprint(w, "Free it? [y/N] ")
	line, err := answers.ReadString('\n')
	if err != nil {
		fmt.Fprintln(w)
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}
