package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"photofinish/shared/claim"
)

func claimsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "claims",
		Short: "Look at orders, and redrive or discard dead letters",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var f redisFlags
	var warehouse string
	// each makes a subcommand that works on the engine of one warehouse.
	each := func(use, short string, args cobra.PositionalArgs, do func(*cobra.Command, *claim.Engine, []string) error) *cobra.Command {
		sub := &cobra.Command{
			Use: use, Short: short, Args: args,
			RunE: func(cmd *cobra.Command, args []string) error {
				rdb, err := f.open()
				if err != nil {
					return err
				}
				defer rdb.Close()
				engine, err := claim.Open(rdb, warehouse, claim.Options{})
				if err != nil {
					return err
				}
				return do(cmd, engine, args)
			},
		}
		f.add(sub)
		sub.Flags().StringVar(&warehouse, "warehouse", "main", "the warehouse of the order")
		cmd.AddCommand(sub)
		return sub
	}
	each("dead", "List dead letters and their reasons", cobra.NoArgs, listDead)
	each("show ORDER", "Show the record of an order", cobra.ExactArgs(1), showRecord)
	var all bool
	redrive := each("redrive [ORDER…]", "Give dead orders a new start", nil, func(cmd *cobra.Command, e *claim.Engine, args []string) error {
		return redriveOrders(cmd, e, args, all)
	})
	redrive.Flags().BoolVar(&all, "all", false, "redrive every dead letter")
	each("discard ORDER…", "Take dead letters off the list for good", cobra.MinimumNArgs(1), discardLetters)
	return cmd
}

const lettersPage = 500

// letters calls visit with each dead letter, oldest first.
func letters(cmd *cobra.Command, e *claim.Engine, visit func(claim.Letter) error) error {
	for after := ""; ; {
		page, err := e.Letters(cmd.Context(), after, lettersPage)
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

func listDead(cmd *cobra.Command, e *claim.Engine, _ []string) error {
	t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	n := 0
	err := letters(cmd, e, func(l claim.Letter) error {
		if n++; n == 1 {
			fmt.Fprintln(t, "ORDER\tSINCE\tREASON")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", printable(l.ID), l.At.Local().Format(time.DateTime), printable(l.Reason))
		return nil
	})
	if err == nil && n == 0 {
		fmt.Fprintln(t, "There are no dead letters.")
	}
	return errors.Join(err, t.Flush())
}

func showRecord(cmd *cobra.Command, e *claim.Engine, args []string) error {
	r, found, err := e.Lookup(cmd.Context(), args[0])
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("there is no order %s in warehouse %s", args[0], e.Keys().Partition())
	}
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		ID          string      `json:"id"`
		State       claim.State `json:"state"`
		Message     string      `json:"message"`
		Fingerprint string      `json:"fingerprint"`
		PlacedAt    time.Time   `json:"placedAt"`
		EndedAt     time.Time   `json:"endedAt,omitzero"`
		Entry       string      `json:"entry,omitempty"`
		Fence       int64       `json:"fence"`
		Owner       string      `json:"owner,omitempty"`
		Deliveries  int64       `json:"deliveries"`
		Racers      int64       `json:"racers"`
		Result      string      `json:"result,omitempty"`
		Reason      string      `json:"reason,omitempty"`
	}{r.ID, r.State, string(r.Message), r.Fingerprint, r.PlacedAt, r.EndedAt, r.Entry, r.Fence, r.Owner, r.Deliveries, r.Racers, r.Result, r.Reason})
}

func redriveOrders(cmd *cobra.Command, e *claim.Engine, ids []string, all bool) error {
	if all == (len(ids) > 0) {
		return errors.New("name the orders to redrive, or give --all")
	}
	if all {
		if err := letters(cmd, e, func(l claim.Letter) error { ids = append(ids, l.ID); return nil }); err != nil {
			return err
		}
	}
	for _, id := range ids {
		err := e.Redrive(cmd.Context(), id)
		var notDead *claim.NotDeadError
		if all && errors.As(err, &notDead) { // a letter without an order stays on the list
			fmt.Fprintln(cmd.ErrOrStderr(), err)
			continue
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "redriven: %s\n", id)
	}
	return nil
}

func discardLetters(cmd *cobra.Command, e *claim.Engine, ids []string) error {
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	err := letters(cmd, e, func(l claim.Letter) error {
		if !wanted[l.ID] {
			return nil
		}
		delete(wanted, l.ID)
		if err := e.Discard(cmd.Context(), l); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "discarded: %s\n", l.ID)
		return nil
	})
	for _, id := range ids {
		if err == nil && wanted[id] {
			err = fmt.Errorf("there is no dead letter of order %s", id)
		}
	}
	return err
}
