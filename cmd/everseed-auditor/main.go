// Command everseed-auditor checks over the ordinary BitTorrent protocol that agents serve what
// they are paid for, and signs the cheques that follow from it.
package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace/audit"
)

const keyVariable = "EVERSEED_AUDITOR_KEY"

func main() { os.Exit(terminal.Main(command(os.Getenv))) }

func defaultDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "everseed-auditor"
	}
	return filepath.Join(dir, "everseed-auditor")
}

func command(getenv func(string) string) *cobra.Command {
	var market, key, dir, listen, public string
	root := &cobra.Command{
		Use:   "everseed-auditor",
		Short: "Check that agents serve what they are paid for, and sign their cheques",
		Args:  cobra.NoArgs,
	}
	run := &cobra.Command{
		Use:   "run",
		Short: "Audit until stopped",
		Long: `Reads every epoch which leases to audit, downloads random blocks and pieces from the agents as any
leecher would, commits to its signed findings and reveals them when all have committed, and signs a
cheque only after recomputing it from the public proofs. The market must list the key's address among
its auditors.

The private key is read from EVERSEED_AUDITOR_KEY (64 hex digits) or from the file of --key, bare or
encrypted. An encrypted one takes EVERSEED_PASSPHRASE, or EVERSEED_PASSPHRASE_FILE.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lobby, err := audit.NewLobby(listen, public)
			if err != nil {
				return err
			}
			k, err := terminal.Key(getenv, keyVariable, key, "everseed wallet new --key FILE")
			if err != nil {
				return err
			}
			own := filepath.Join(dir, k.Address().String())
			leaves, err := audit.OpenLeaves(own)
			if err != nil {
				return err
			}
			defer leaves.Close()
			sealed, err := audit.OpenEnvelopes(own)
			if err != nil {
				return err
			}
			defer sealed.Close()
			d := &desk{key: k, leaves: leaves, sealed: sealed, lobby: lobby, market: client.New(market),
				log: terminal.Log(cmd.ErrOrStderr())}
			if err := d.open(cmd.Context()); err != nil {
				return err
			}
			group, ctx := errgroup.WithContext(cmd.Context())
			group.Go(func() error { return d.audit(ctx) })
			group.Go(func() error { return d.sign(ctx) })
			return group.Wait()
		},
	}
	run.Flags().StringVar(&market, "market", "http://localhost:8080", "the market's address")
	run.Flags().StringVar(&dir, "dir", defaultDir(), "where reports in hand and hashes of blocks are "+
		"kept; losing it costs the reports of an epoch, and traffic")
	run.Flags().StringVar(&listen, "listen", ":0", "where agents connect to that nobody can connect "+
		"to, one port for each audit under way: ip:7000-7031, or :0 for any port of any address")
	run.Flags().StringVar(&public, "public-address", "", "ip of the same as the internet sees it; "+
		"default: the one that the market sees")
	run.Flags().StringVar(&key, "key", "", "file with the private key; "+keyVariable+
		" goes before it")
	root.AddCommand(run)
	return root
}
