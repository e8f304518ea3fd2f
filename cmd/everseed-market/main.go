// Command everseed-market is the market's server: the API with the dashboard, the matcher,
// settlement and the feed, all in one process or each in its own.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/migrations"
)

func main() { os.Exit(terminal.Main(command(os.Getenv))) }

func command(getenv func(string) string) *cobra.Command {
	root := &cobra.Command{
		Use:   "everseed-market",
		Short: "The market's server",
		Long: `everseed-market runs the market: API and dashboard, matcher, settlement and feed. It is set up
by the environment; secrets are never read from the command line.

` + help() + `
To try everything on one machine without any of this, run everseed-devnet instead.`,
		Args: cobra.NoArgs,
	}
	root.AddCommand(serveCommand(getenv), migrateCommand(getenv), booksCommand(getenv),
		auditorsCommand(getenv), replayCommand(getenv))
	return root
}

func serveCommand(getenv func(string) string) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the market until stopped",
		Long: `Migrates the database and runs the roles of EVERSEED_ROLES until it is stopped. Several processes
may run the same role: one leads, the others stand by and take over when it dies. kill -9 at any
moment loses nothing that was acknowledged.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := readSettings(getenv)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), c, terminal.Log(cmd.ErrOrStderr()))
		},
	}
}

func migrateCommand(getenv func(string) string) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database to the newest schema and stop",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			url, err := databaseURL(getenv)
			if err != nil {
				return err
			}
			return migrations.Migrate(cmd.Context(), url)
		},
	}
}
