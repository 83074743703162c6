package main

import (
	"encoding/json"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"photofinish/localdev/proof"
)

func auditCommand() *cobra.Command {
	var f redisTarget
	var asJSON bool
	cmd := &cobra.Command{ //nolint:gosec // the password is that of an example
		Use:   "audit",
		Short: "Prove or disprove from Redis that every order was processed exactly once",
		Long: `audit reads all orders, the stock, the ledger, the stream, the dead letters and
the locks, and checks them against each other:

  - an order that is settled has one entry in the ledger, with the fence and the
    owner of its record and with its items; any other order has none;
  - an order that is accepted is in the stream; a dead one has its reason;
  - for each SKU, what was received less what was settled is what is on hand;
  - no lock is without an order that waits.

It is about orders that take from the stock. Keys of idempotent handlers in the
same Redis are only counted.

It exits with 1 if anything does not hold, and names the orders. It may run while
orders are going on: what it sees half-way, it looks at again.

` + redisHelp,
		Example: `  localdev audit
  localdev audit --redis 127.0.0.1:6379 --json
  localdev audit --redis rediss://user:password@host:6379 --cluster`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rdb, _, err := f.open(cmd)
			if err != nil {
				return err
			}
			defer rdb.Close()
			var progress func(int)
			if w := terminal(cmd.ErrOrStderr()); w != nil {
				bar := progressbar.NewOptions(-1, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("reading"),
					progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
				progress = func(n int) { _ = bar.Set(n) }
				defer bar.Finish() //nolint:errcheck // a bar on the terminal
			}
			report, err := proof.Audit(cmd.Context(), rdb, progress)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				err = enc.Encode(report)
			} else {
				err = report.Print(cmd.OutOrStdout())
			}
			if err == nil && !report.Holds() {
				return errFailed
			}
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}
