// Command everseed-devnet runs the whole market on this machine: Postgres, NATS, a TRON dev chain
// with the real contracts, the market's server, auditors and seeder agents, each the real program.
package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
)

func main() { os.Exit(terminal.Main(command())) }

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "everseed-devnet",
		Short: "The whole market on this machine, to try and to develop against",
		Long: `everseed-devnet starts a whole Everseed market on this machine: Postgres, NATS, a TRON dev chain
that runs the real contracts, the market, its auditors and seeder agents. Nothing leaves the
machine and no real money is touched.

  everseed-devnet demo      watch a dying torrent being kept alive and paid for
  everseed-devnet chain     the TRON dev chain alone
  everseed-devnet sim       what cheats earn, in simulated months`,
		Args: cobra.NoArgs,
	}
	root.AddCommand(demoCommand(), chainCommand(), simCommand())
	return root
}

func demoCommand() *cobra.Command {
	o := demoOptions{size: 64 << 20}
	var size string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a dying torrent being kept alive and paid for",
		Long: `Plays one bounty from the deposit to the last payout, in under three minutes: agents take a
torrent over from its last seeder, auditors check them, the vault pays, one agent is killed,
another's disk rots, both are replaced, and a stock client downloads everything.

Then it runs on, with the dashboard at a printed address, until Ctrl-C; with --once it ends and
its exit status says whether everything above came true.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.size.UnmarshalText([]byte(size)); err != nil {
				return err
			}
			if o.torrent != "" && o.content == "" {
				return marketplace.Invalid.Errorf("--torrent needs --content: the file or folder it is of")
			}
			cleanup, err := o.places()
			if err != nil {
				return err
			}
			defer cleanup()
			return runDemo(cmd.Context(), o, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.content, "content", "", "a file or folder of your own to keep alive")
	flags.StringVar(&o.torrent, "torrent", "", "an existing .torrent of --content")
	flags.StringVar(&size, "size", "64 MiB", "size of the content that is made up otherwise")
	flags.StringVar(&o.dir, "dir", "", "folder for everything; kept (default: a temporary one)")
	flags.StringVar(&o.bin, "bin", "", "folder with the other programs (default: beside this one)")
	flags.BoolVar(&o.once, "once", false, "end when the story is told; the exit status says whether it held")
	return cmd
}

// places fills in the folders. The returned function removes what is temporary.
func (o *demoOptions) places() (cleanup func(), err error) {
	cleanup = func() {}
	if o.bin == "" {
		self, err := os.Executable()
		if err != nil {
			return cleanup, err
		}
		o.bin = filepath.Dir(self)
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "everseed-devnet-"); err != nil {
			return cleanup, err
		}
		dir := o.dir
		cleanup = func() { _ = os.RemoveAll(dir) } // what is left in /tmp harms nobody
	}
	if o.content != "" {
		if o.content, err = filepath.Abs(o.content); err != nil {
			return cleanup, err
		}
		if _, err := os.Stat(o.content); err != nil {
			return cleanup, marketplace.Invalid.Errorf("--content: %v", err)
		}
	}
	o.dir, err = filepath.Abs(o.dir)
	return cleanup, err
}
