package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/cmd/redeem"
	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/seederagent/purse"
)

// purseOf is where an auditor's cheques are kept.
func purseOf(dir string, auditor marketplace.Address) string {
	return filepath.Join(dir, auditor.String(), "cheques")
}

// collect puts the newest signed cheques to an auditor's payee into its purse, and returns them. Who
// may sign one is asked of the market; the chain is asked when it is redeemed.
func collect(ctx context.Context, market *client.Client, dir string, auditor marketplace.Address) (
	kept []marketplace.SignedCheque, err error) {
	info, err := market.Rules(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the market's rules: %w", err)
	}
	self, err := market.Auditor(ctx, auditor)
	if err != nil {
		return nil, fmt.Errorf("ask who is paid: %w", err)
	}
	p, err := purse.Open(purseOf(dir, auditor), purse.Place{ChainID: info.ChainID, Vault: info.Vault,
		Token: info.Token})
	if err != nil {
		return nil, err
	}
	all, err := market.ChequesTo(ctx, self.Terms.Payee)
	if err != nil {
		return nil, fmt.Errorf("read my cheques: %w", err)
	}
	return p.Collect(all, func(c marketplace.Cheque) (marketplace.Mandate, error) {
		return market.Mandate(ctx, c.From, c.Mandate)
	})
}

// collect keeps cheques as they come until ctx is done: the market may be gone when they are needed.
func (d *desk) collect(ctx context.Context, dir string) error {
	tick := time.NewTicker(max(time.Second, d.info.Rules.Epoch.Duration()/4))
	defer tick.Stop()
	for {
		kept, err := collect(ctx, d.market, dir, d.key.Address())
		if err != nil && ctx.Err() == nil {
			d.log.InfoContext(ctx, "cheques not read; trying again", "err", err)
		}
		for _, c := range kept {
			d.log.InfoContext(ctx, "cheque kept", "cheque", c.ID, "amount", c.Cheque.Cumulative, "from",
				c.Cheque.From)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// askWithin bounds how long a command waits for a market that may be down.
const askWithin = 5 * time.Second

// held reads the newest cheques, from the market if it is there, and returns what is in the purse.
func (o *options) held(cmd *cobra.Command, dir string) ([]purse.Held, error) {
	k, err := o.readKey()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), askWithin)
	defer cancel()
	if _, err := collect(ctx, client.New(o.market), dir, k.Address()); err != nil {
		cmd.PrintErrf("newer cheques cannot be read (%v); these were kept before\n", err)
	}
	return redeem.Held(purseOf(dir, k.Address()))
}

func chequesCommand(o *options) *cobra.Command {
	var dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cheques",
		Short: "List the signed cheques that pay you, and how far each has come",
		Long: `Reads the signed cheques to your payee, keeps them on disk, and lists the newest one of each
poster's mandate with what the market says of it: whether it is redeemed, or why it waits and what
would mend that. Half of the fee of every paid epoch is shared by the auditors whose passes were heard.

A cheque is cumulative: redeeming it pays what it says beyond what was paid before. The market redeems
cheques that are worth the fee by itself. Anyone who holds one can do it too, without the market: see
` + "`everseed-auditor redeem`" + `. While ` + "`everseed-auditor run`" + ` runs it keeps them as they come.`,
		Example: `  everseed-auditor cheques
  everseed-auditor cheques --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			held, err := o.held(cmd, dir)
			if err != nil {
				return err
			}
			if asJSON {
				return terminal.JSON(cmd.OutOrStdout(), held)
			}
			return redeem.List(cmd, o.market, held)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", defaultDir(), "the folder of `everseed-auditor run`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with signatures and where to redeem them")
	return cmd
}

func redeemCommand(o *options) *cobra.Command {
	var options redeem.Options
	var dir, folder string
	cmd := &cobra.Command{
		Use:   "redeem",
		Short: "Bring the cheques to the vault yourself",
		Long: `Redeems the signed cheques that pay you on TRON. It needs the cheques, a TRON node and a key with
some TRX for the fees. The market is asked for the newest cheques if it is there; when it is down or gone,
those that were kept on disk do.

First it shows what each cheque would pay and what that costs. Each transaction is written down
before it is sent: a run that is cut short, however it ends, is carried on by the next one and
pays nobody twice.

A cheque pays your payee whoever brings it, so your auditor's key may pay the fee and the payee's key
stays where it is. To be paid elsewhere give --to, and the payee's key. With --purse any key may bring
what lies in a folder.`,
		Example: `  everseed-auditor redeem --tron grpc.trongrid.io:50051 --dry-run
  everseed-auditor redeem --tron grpc.trongrid.io:50051 --min 100 --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, err := o.readKey()
			if err != nil {
				return err
			}
			var held []purse.Held
			if folder != "" {
				held, err = redeem.Held(folder)
			} else {
				held, err = o.held(cmd, dir)
			}
			if err != nil {
				return err
			}
			options.APIKey = o.getenv("TRON_PRO_API_KEY")
			return options.Run(cmd, o.getenv, k, held)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", defaultDir(), "the folder of `everseed-auditor run`")
	cmd.Flags().StringVar(&folder, "purse", "", "folder of cheques; the market is not asked then")
	cmd.Flags().StringVar(&options.TRON, "tron", "", "gRPC address of a TRON node (needed, unless the"+
		" cheque names one)")
	cmd.Flags().BoolVar(&options.JSON, "json", false, "print JSON; needs --yes or --dry-run")
	options.Flags(cmd)
	return cmd
}
