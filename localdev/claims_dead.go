package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"photofinish/shared/claim"
	"photofinish/shared/order"
)

const lettersPage = 500

// letters calls visit with each dead letter, oldest first.
func (i *inspector) letters(visit func(claim.Letter) error) error {
	for after := ""; ; {
		page, err := i.engine.Letters(i.cmd.Context(), after, lettersPage)
		if err != nil {
			return err
		}
		for _, l := range page {
			if err := visit(l); err != nil {
				return err
			}
			after = l.Entry
		}
		if len(page) < lettersPage {
			return nil
		}
	}
}

// shownLetter is a line of dead --json.
type shownLetter struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	Entry  string    `json:"entry"`
}

func deadCommand() *cobra.Command {
	i := &inspector{}
	return i.command(&cobra.Command{
		Use:   "dead",
		Short: "List dead letters and their reasons",
		Long: `dead lists the orders that have used up their deliveries or never could be
processed, the oldest first, each with the reason. They stay on the list until they
are redriven or discarded.`,
		Example: `  localdev claims dead
  localdev claims dead --partition west --json | jq -r .reason | sort | uniq -c`,
		Args: cobra.NoArgs,
	}, func([]string) error {
		t := tabwriter.NewWriter(i.cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		n := 0
		err := i.letters(func(l claim.Letter) error {
			n++
			if i.asJSON {
				return i.line(shownLetter{l.ID, l.At.UTC(), l.Reason, l.Entry})
			}
			if n == 1 {
				fmt.Fprintln(t, "ORDER\tSINCE\tREASON")
			}
			fmt.Fprintf(t, "%s\t%s\t%s\n", printable(l.ID), l.At.Local().Format(time.DateTime), printable(l.Reason))
			return nil
		})
		if err == nil && n == 0 {
			if err = i.known(); err == nil && !i.asJSON {
				fmt.Fprintln(t, "There are no dead letters.")
			}
		}
		return errors.Join(err, t.Flush())
	})
}

func redriveCommand() *cobra.Command {
	i := &inspector{}
	var all bool
	cmd := i.command(&cobra.Command{
		Use:   "redrive [ID…]",
		Short: "Give dead orders a new start, with all their deliveries",
		Example: `  localdev claims redrive 29
  localdev claims redrive --all --partition west`,
		Args: cobra.ArbitraryArgs,
	}, func(ids []string) error {
		if all == (len(ids) > 0) {
			return errNoIDs
		}
		if all {
			if err := i.letters(func(l claim.Letter) error { ids = append(ids, l.ID); return nil }); err != nil {
				return err
			}
		}
		if len(ids) == 0 {
			if err := i.known(); err != nil || i.asJSON {
				return err
			}
			fmt.Fprintln(i.cmd.OutOrStdout(), "There are no dead letters.")
		}
		return i.each(ids, func(id string) error {
			flaw := i.flaw(id)
			err := i.engine.Redrive(i.cmd.Context(), id)
			var notDead *claim.NotDeadError
			switch {
			case all && errors.As(err, &notDead): // a letter without an order stays on the list
				fmt.Fprintln(i.cmd.ErrOrStderr(), err)
				return nil
			case errors.As(err, &notDead) && notDead.State == "":
				if err := i.known(); err != nil {
					return err
				}
				return err
			case err != nil:
				return err
			}
			if flaw != nil {
				fmt.Fprintf(i.cmd.ErrOrStderr(), "note: %s will probably be dead again: %v\n", id, flaw)
			}
			return i.done(id, "redriven")
		})
	})
	cmd.Flags().BoolVar(&all, "all", false, "redrive every dead letter")
	return cmd
}

// flaw is what is wrong with the message of an order that was buried without any
// contender having claimed it, if that is known.
func (i *inspector) flaw(id string) error {
	found, err := i.engine.Inspect(i.cmd.Context(), id)
	if err != nil || len(found) == 0 || found[0].State != claim.Dead || found[0].Fence > 0 {
		return nil
	}
	_, err = order.Items(found[0].Message)
	return err
}

func discardCommand() *cobra.Command {
	i := &inspector{}
	var retention time.Duration
	cmd := i.command(&cobra.Command{
		Use:   "discard ID…",
		Short: "Take dead letters off the list for good",
		Long: `discard takes dead letters off the list. Their orders stay dead, and their records
are kept for the retention, so that duplicates are still recognised.`,
		Example: `  localdev claims discard 29 30`,
		Args:    cobra.MinimumNArgs(1),
	}, func(ids []string) error {
		var err error
		if i.engine, err = claim.Open(i.rdb, i.partition, claim.Options{Retention: retention}); err != nil {
			return err
		}
		wanted := map[string][]claim.Letter{}
		for _, id := range ids {
			wanted[id] = nil
		}
		err = i.letters(func(l claim.Letter) error {
			if _, ok := wanted[l.ID]; ok {
				wanted[l.ID] = append(wanted[l.ID], l)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return i.each(ids, func(id string) error {
			if len(wanted[id]) == 0 {
				if err := i.known(); err != nil {
					return err
				}
				return fmt.Errorf("there is no dead letter of order %s", id)
			}
			for _, l := range wanted[id] {
				if err := i.engine.Discard(i.cmd.Context(), l); err != nil {
					return err
				}
			}
			return i.done(id, "discarded")
		})
	})
	cmd.Flags().DurationVar(&retention, "retention", claim.DefaultRetention, "how long their records are kept, as RETENTION of the functions")
	return cmd
}
