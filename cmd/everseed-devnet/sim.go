package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace/audit/trial"
)

func simCommand() *cobra.Command {
	world, page, longer := trial.Default(), "", 1
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Put agents and auditors that cheat on trial, in simulated months",
		Long: `Lets agents and auditors that cheat live through simulated months under the market's real rules and
schedule, with a modelled network, and says how long each lasted and what it was paid. The same
seed gives the same tables.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			world.Runs, world.Tenures = world.Runs*longer, world.Tenures*longer
			world.Households, world.Lives = world.Households*longer, world.Lives*longer
			sheets := world.Hold().Sheets()
			if page != "" {
				if err := rewrite(page, sheets); err != nil {
					return err
				}
			}
			return show(cmd.OutOrStdout(), sheets)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&world.Days, "days", world.Days, "simulated days of each life")
	flags.IntVar(&longer, "times", longer, "how many times as many lives as by default")
	flags.Uint64Var(&world.Seed, "seed", world.Seed, "seed of all chance")
	flags.StringVar(&page, "write", "", "Markdown page whose tables to replace")
	return cmd
}

func rewrite(name string, sheets []trial.Sheet) error {
	page, err := os.ReadFile(name) // #nosec G304 -- the user names it
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	fresh, err := trial.Rewrite(string(page), sheets)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte(fresh), 0o600); err != nil { // #nosec G703 -- as above
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

func show(w io.Writer, sheets []trial.Sheet) error {
	for _, s := range sheets {
		if _, err := fmt.Fprintf(w, "\n%s\n\n", s.Title); err != nil {
			return err
		}
		t := terminal.Table{Header: s.Header, Rows: s.Rows}
		if err := t.Write(w); err != nil {
			return err
		}
	}
	return nil
}
