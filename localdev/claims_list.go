package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"photofinish/shared/claim"
)

type listFlags struct {
	inspector
	state, prefix string
	held          bool
	limit         int
	partitions    bool
}

func listCommand() *cobra.Command {
	f := &listFlags{}
	cmd := f.command(&cobra.Command{
		Use:   "list",
		Short: "List records, with their state, lock, fence and owner",
		Long: `list goes through the records of a partition, in no order, and shows those that
match, the oldest first. LOCK is who holds it right now and for how much longer;
without a lock, FENCE and OWNER are those of the last claim. ATTEMPTS counts the
deliveries of an order that was placed, and how often a plain key was begun.

It goes through the names of all keys of the Redis (of a cluster: of the primary
that has the partition), a thousand at a time, so it keeps nobody waiting.`,
		Example: `  localdev claims list --state accepted --held
  localdev claims list --prefix pay- --partition payments --limit 0 --json
  localdev claims list --partitions`,
		Args: cobra.NoArgs,
	}, func([]string) error {
		if f.partitions {
			return f.listPartitions()
		}
		return f.list()
	})
	fs := cmd.Flags()
	fs.StringVar(&f.state, "state", "", "only those that are accepted, settled, rejected or dead")
	fs.BoolVar(&f.held, "held", false, "only those that somebody holds the lock of")
	fs.StringVar(&f.prefix, "prefix", "", "only those whose id begins so")
	fs.IntVar(&f.limit, "limit", 100, "at most so many; 0 is all")
	fs.BoolVar(&f.partitions, "partitions", false, "list the partitions that there are instead")
	for _, other := range []string{"state", "held", "prefix", "limit", "partition", "warehouse"} {
		cmd.MarkFlagsMutuallyExclusive("partitions", other)
	}
	return cmd
}

var errLimit = errors.New("--limit has to be 0 or more")

func (f *listFlags) list() error {
	states := []claim.State{claim.Accepted, claim.Settled, claim.Rejected, claim.Dead}
	if f.state != "" && !slices.Contains(states, claim.State(f.state)) {
		return fmt.Errorf("--state %s: has to be accepted, settled, rejected or dead", f.state)
	}
	if f.limit < 0 {
		return errLimit
	}
	var found []claim.Inspection
	seen, listed, more := 0, map[string]bool{}, false
	for one, err := range f.engine.Inspections(f.cmd.Context(), f.prefix) {
		if err != nil {
			return err
		}
		seen++
		if f.state != "" && one.State != claim.State(f.state) || f.held && one.Lock == nil || listed[one.ID] {
			continue
		}
		if more = f.limit > 0 && len(found) == f.limit; more {
			break
		}
		found, listed[one.ID] = append(found, one), true
	}
	if seen == 0 && f.prefix == "" {
		if err := f.known(); err != nil {
			return err
		}
	}
	slices.SortFunc(found, func(a, b claim.Inspection) int { return a.PlacedAt.Compare(b.PlacedAt) })
	if err := f.print(found); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(f.cmd.ErrOrStderr(), "There are more than %d; --limit 0 lists all.\n", f.limit)
	}
	return nil
}

func (f *listFlags) print(found []claim.Inspection) error {
	if f.asJSON {
		for _, one := range found {
			if err := f.line(present(one, f.partition)); err != nil {
				return err
			}
		}
		return nil
	}
	t := tabwriter.NewWriter(f.cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	if len(found) == 0 {
		fmt.Fprintln(t, "No record matches.")
	} else {
		fmt.Fprintln(t, "ID\tSTATE\tLOCK\tFENCE\tOWNER\tAGE\tATTEMPTS")
	}
	for _, one := range found {
		lock, fence, owner := "-", one.Fence, one.Owner
		if one.Lock != nil {
			lock, fence, owner = left(one.Lock), one.Lock.Fence, one.Lock.Owner
		}
		state := string(one.State)
		if one.Plain {
			state += " (plain)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\n", one.ID, printable(state), lock, orDash(fence), printable(owner), age(one), one.Deliveries)
	}
	return t.Flush()
}

// left is for how much longer a lock is held, in words.
func left(l *claim.Lock) string {
	if l.Left < 0 {
		return "held, without an end"
	}
	return l.Left.Round(100*time.Millisecond).String() + " left"
}

func orDash(fence int64) string {
	if fence == 0 {
		return "-"
	}
	return strconv.FormatInt(fence, 10)
}

func age(one claim.Inspection) string {
	if one.PlacedAt.IsZero() {
		return "-"
	}
	d := max(one.At.Sub(one.PlacedAt), 0)
	switch {
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < 48*time.Hour:
		return d.Round(time.Second).String()
	default:
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	}
}

// shownPartition is a line of list --partitions.
type shownPartition struct {
	Partition string `json:"partition"`
	Records   int64  `json:"records"`
	Backlog   int64  `json:"backlog"`
	Dead      int64  `json:"dead"`
}

func (f *listFlags) listPartitions() error {
	ctx := f.cmd.Context()
	all, err := claim.Partitions(ctx, f.rdb)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(f.cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	if len(all) == 0 && !f.asJSON {
		fmt.Fprintf(t, "Redis %s has no partitions.\n", f.name)
	}
	for n, p := range all {
		engine, err := claim.Open(f.rdb, p.Name, claim.Options{})
		if err != nil {
			return err
		}
		s := shownPartition{Partition: p.Name, Records: p.Records}
		if s.Backlog, err = engine.Backlog(ctx); err != nil {
			return err
		}
		if s.Dead, err = f.rdb.XLen(ctx, engine.Keys().Dead()).Result(); err != nil {
			return err
		}
		if f.asJSON {
			if err := f.line(s); err != nil {
				return err
			}
			continue
		}
		if n == 0 {
			fmt.Fprintln(t, "PARTITION\tRECORDS\tBACKLOG\tDEAD LETTERS")
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\n", s.Partition, s.Records, s.Backlog, s.Dead)
	}
	return t.Flush()
}
