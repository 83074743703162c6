// Command localdev runs the application on one machine and looks after what it
// keeps in Redis. See localdev --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9/logging"
	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// errFailed ends the program with status 1 after everything has been said.
var errFailed = errors.New("failed")

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	logging.Disable() // the client would print each attempt; its errors say all
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	switch err := cmd.ExecuteContext(ctx); {
	case err == nil:
		return 0
	case errors.Is(err, errFailed):
		return 1
	default:
		fmt.Fprintln(stderr, "localdev:", err)
		return 1
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "localdev",
		Short: "Runs a SAM application in Go on this machine, without Docker",
		Long: `localdev reads template.yaml and runs what it declares on this machine: the
HTTP API, the functions as real processes of their compiled binaries, the
bridge, and a Redis. It needs Go, and nothing else.`,
		Example: `  localdev up                        start everything; Ctrl-C stops it
  localdev audit                     prove that every order was processed once
  localdev claims dead               list dead letters
  localdev claims redrive 29         give a dead order a new start`,
		SilenceUsage:  true,
		SilenceErrors: true,
		// A flag that is misspelt says so and no more: the whole help would
		// bury it.
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w (%s --help lists the flags)", err, cmd.CommandPath())
	})
	root.AddCommand(upCommand(), auditCommand(), claimsCommand())
	return root
}
