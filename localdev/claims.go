package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"photofinish/shared/claim"
)

// inspector is what the subcommands of claims have in common.
type inspector struct {
	target    redisTarget
	partition string
	asJSON    bool

	// Set while a subcommand runs.
	cmd    *cobra.Command
	rdb    redis.UniversalClient
	name   string // of the Redis
	engine *claim.Engine
}

func claimsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "claims",
		Short: "Look at idempotency records, locks and dead letters, and mend them",
		Long: `claims shows what the engine keeps in a Redis: the records of orders that were
placed and of keys that handlers have begun, who holds their locks and for how
much longer, and the dead letters. It works on any Redis that the engine is used
on.

` + redisHelp,
		Example: `  localdev claims list                          orders of the emulator that is up here
  localdev claims list --partitions --redis redis://10.0.0.7:6379
  localdev claims list --held --partition payments --from-env
  localdev claims show 29
  localdev claims free pay:7f3a --partition payments
  localdev claims dead --json | jq -r .id
  localdev claims redrive --all`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(listCommand(), showCommand(), freeCommand(), deadCommand(), redriveCommand(), discardCommand())
	return cmd
}

// command gives a subcommand its flags, and runs it with a connected engine.
func (i *inspector) command(cmd *cobra.Command, run func(args []string) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		i.cmd = cmd
		if i.rdb, i.name, err = i.target.open(cmd); err != nil {
			return err
		}
		defer i.rdb.Close()
		if i.engine, err = claim.Open(i.rdb, i.partition, claim.Options{}); err != nil {
			return err
		}
		err = run(args)
		if _, moved := redis.IsMovedError(err); moved {
			return fmt.Errorf("%w: the Redis is a cluster, leave out --cluster=false", err)
		}
		return err
	}
	i.target.add(cmd)
	const usage = "the partition to look at, such as the warehouse"
	cmd.Flags().StringVar(&i.partition, "partition", "main", usage)
	cmd.Flags().StringVar(&i.partition, "warehouse", "main", "the same as --partition")
	cmd.MarkFlagsMutuallyExclusive("partition", "warehouse")
	cmd.Flags().BoolVar(&i.asJSON, "json", false, "print one JSON object a line")
	return cmd
}

// known returns an error if Redis holds nothing of the partition: then it is most
// likely another Redis or another partition that was meant.
func (i *inspector) known() error {
	ctx := i.cmd.Context()
	if known, err := i.engine.Known(ctx); known || err != nil {
		return err
	}
	others, err := claim.Partitions(ctx, i.rdb)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(others))
	for _, p := range others {
		names = append(names, p.Name)
	}
	has := "no partition at all"
	if len(names) > 0 {
		has = strings.Join(names, ", ")
	}
	return fmt.Errorf("redis %s has nothing of a partition %s; it has %s", i.name, i.partition, has)
}

// look gives what Redis holds of one id.
func (i *inspector) look(id string) (claim.Inspection, error) {
	found, err := i.engine.Inspect(i.cmd.Context(), id)
	if err != nil {
		return claim.Inspection{}, err
	}
	if len(found) == 0 {
		if err := i.known(); err != nil {
			return claim.Inspection{}, err
		}
		return claim.Inspection{}, fmt.Errorf("there is no record of %s in partition %s: it was never there, or it has expired", id, i.partition)
	}
	return found[0], nil
}

// line prints a value as one line of JSON.
func (i *inspector) line(v any) error {
	enc := json.NewEncoder(i.cmd.OutOrStdout())
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// done says what was done with an id.
func (i *inspector) done(id, what string) error {
	if i.asJSON {
		return i.line(map[string]string{"id": id, "result": what})
	}
	fmt.Fprintf(i.cmd.OutOrStdout(), "%s: %s\n", what, id)
	return nil
}

// each does something with each id, and goes on after an error. If any failed, it
// returns errFailed, with everything said.
func (i *inspector) each(ids []string, do func(id string) error) error {
	failed := 0
	for _, id := range ids {
		err := do(id)
		if err == nil {
			continue
		}
		var away net.Error
		if errors.As(err, &away) || i.cmd.Context().Err() != nil { // so would the others
			return err
		}
		failed++
		fmt.Fprintln(i.cmd.ErrOrStderr(), "localdev:", err)
	}
	if failed > 0 {
		return errFailed
	}
	return nil
}

var errNoIDs = errors.New("name the ids, or give --all")
