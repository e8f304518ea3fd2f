// Command everseed-auditor checks over the ordinary BitTorrent protocol that agents serve what
// they are paid for. Auditors that mandates name also sign the cheques that follow from it.
package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/audit"
	"github.com/everseed/everseed/marketplace/escrow"
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

// options are what every command takes.
type options struct {
	getenv      func(string) string
	market, key string
}

func (o *options) readKey() (escrow.Key, error) {
	return terminal.Key(o.getenv, keyVariable, o.key, "everseed wallet new --key FILE")
}

func command(getenv func(string) string) *cobra.Command {
	o := &options{getenv: getenv}
	root := &cobra.Command{
		Use:   "everseed-auditor",
		Short: "Check that agents serve what they are paid for, and be paid for it",
		Long: `everseed-auditor looks at replicas that a market pays for, over the ordinary BitTorrent protocol, and
reports what it finds. Anyone may offer to: it takes a key and the address of a market.

  everseed-auditor register  say how many leases you look at in an epoch, and who is paid
  everseed-auditor run       audit until stopped
  everseed-auditor status    whether you are admitted, and how you stand
  everseed-auditor cheques   the signed cheques that pay you, and how far each has come
  everseed-auditor redeem    bring them to the vault yourself, with or without the market
  everseed-auditor pause     be drawn no more for a while; resume ends that, leave is for good

The auditors that the market's configuration names sign cheques besides: mandates of posters name
them. They are admitted from the start.

The private key is read from EVERSEED_AUDITOR_KEY (64 hex digits) or from the file of --key, bare or
encrypted. An encrypted one takes EVERSEED_PASSPHRASE, or EVERSEED_PASSPHRASE_FILE.`,
		Args: cobra.NoArgs,
	}
	root.PersistentFlags().StringVar(&o.market, "market", "http://localhost:8080", "the market's address")
	root.PersistentFlags().StringVar(&o.key, "key", "", "file with the private key; "+keyVariable+
		" goes before it")
	root.AddCommand(runCommand(o), registerCommand(o), statusCommand(o),
		chequesCommand(o), redeemCommand(o),
		stateCommand(o, "pause", marketplace.PausedAuditor, "Be drawn no more for a while"),
		stateCommand(o, "resume", marketplace.Admitted, "End a pause"),
		stateCommand(o, "leave", marketplace.LeftAuditor, "Stop auditing for this market"))
	return root
}

func runCommand(o *options) *cobra.Command {
	var dir, listen, public string
	var vias []string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Audit until stopped",
		Long: `Reads every epoch which leases to audit, downloads random blocks and pieces from the agents as any
leecher would, and reports signed findings. Register first; until the operator admits you it waits.

Your address becomes known, and an agent could serve it and nobody else. So two visits of three come by
the line of another agent, which connects to --listen. Where you have a proxy whose addresses many
downloaders share, as VPN providers do, name it with --via, and half of these visits come by it:

  everseed-auditor run --via socks5://user:password@proxy.example:1080

If posters' mandates name the key's address it also signs cheques, each only after recomputing it
from the public proofs.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lobby, err := audit.NewLobby(listen, public)
			if err != nil {
				return err
			}
			through, err := proxies(vias, o.getenv(viaVariable))
			if err != nil {
				return err
			}
			k, err := o.readKey()
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
			d := &desk{key: k, leaves: leaves, sealed: sealed, lobby: lobby, vias: through, market: client.New(o.market),
				log: terminal.Log(cmd.ErrOrStderr())}
			if err := d.open(cmd.Context()); err != nil {
				return err
			}
			group, ctx := errgroup.WithContext(cmd.Context())
			group.Go(func() error { return d.audit(ctx) })
			group.Go(func() error { return d.collect(ctx, dir) })
			if d.signs() {
				group.Go(func() error { return d.sign(ctx) })
			}
			return group.Wait()
		},
	}
	cmd.Flags().StringVar(&dir, "dir", defaultDir(), "where reports in hand, hashes of blocks and "+
		"cheques are kept; losing it costs the reports of an epoch, and traffic")
	cmd.Flags().StringVar(&listen, "listen", ":0", "where agents connect to that nobody can connect "+
		"to, one port for each audit under way: ip:7000-7031, or :0 for any port of any address")
	cmd.Flags().StringVar(&public, "public-address", "", "ip of the same as the internet sees it; "+
		"default: the one that the market sees")
	cmd.Flags().StringArrayVar(&vias, "via", nil, "SOCKS5 proxy to come by, once for each; "+viaVariable+
		" may hold more, with commas between, and keeps passwords out of the list of processes")
	return cmd
}

const viaVariable = "EVERSEED_AUDITOR_VIA"

// proxies reads where proxies are.
func proxies(flags []string, more string) (all []audit.Via, err error) {
	for _, text := range append(flags, strings.Split(more, ",")...) {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		via, err := audit.NewVia(text)
		if err != nil {
			return nil, err
		}
		all = append(all, via)
	}
	return all, nil
}
