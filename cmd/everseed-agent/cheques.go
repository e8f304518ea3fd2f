package main

import (
	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/redeem"
	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/seederagent"
)

func chequesCommand(path *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cheques",
		Short: "List the signed cheques on disk, and how far each has come",
		Long: `Lists the newest signed cheque of each poster's mandate, and what the market says of it: whether
it is redeemed, or why it waits and what would mend that. A cheque is cumulative: redeeming it
pays what it says beyond what was paid before. Anyone who holds it can redeem it, without the
market: see ` + "`everseed-agent redeem`" + `.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := seederagent.ReadConfig(*path)
			if err != nil {
				return err
			}
			held, err := redeem.Held(config.Purse())
			if err != nil {
				return err
			}
			if asJSON {
				return terminal.JSON(cmd.OutOrStdout(), held)
			}
			return redeem.List(cmd, config.Market, held)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with signatures and where to redeem them")
	return cmd
}

func redeemCommand(path *string, getenv func(string) string) *cobra.Command {
	var options redeem.Options
	var dir, key string
	cmd := &cobra.Command{
		Use:   "redeem",
		Short: "Bring the cheques to the vault yourself",
		Long: `Redeems the signed cheques in the purse on TRON. It needs the purse, a TRON node and a key with
some TRX for the fees, and nothing of the market: it works when the market is down or gone.

First it shows what each cheque would pay and what that costs. Each transaction is written down
before it is sent: a run that is cut short, however it ends, is carried on by the next one and
pays nobody twice.

A cheque pays its payee whoever brings it. To be paid elsewhere give --to, and the payee's key.

The key is read from EVERSEED_AGENT_KEY, from --key, or from agent.key in the data folder.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				config, err := seederagent.ReadConfig(*path)
				if err != nil {
					return err
				}
				dir = config.Purse()
				key = or(key, keyFile(config))
				options.TRON = or(options.TRON, config.TronGRPC)
			}
			k, err := terminal.Key(getenv, keyVariable, key, "everseed-agent init")
			if err != nil {
				return err
			}
			held, err := redeem.Held(dir)
			if err != nil {
				return err
			}
			options.APIKey = getenv("TRON_PRO_API_KEY")
			return options.Run(cmd, getenv, k, held)
		},
	}
	cmd.Flags().StringVar(&dir, "purse", "", "folder of cheques; default: the configuration's, which"+
		" is not read then")
	cmd.Flags().StringVar(&key, "key", "", "file with the private key that pays the fees")
	cmd.Flags().StringVar(&options.TRON, "tron", "", "gRPC address of a TRON node; default: the"+
		" configuration's, then the one that the cheque names")
	cmd.Flags().BoolVar(&options.JSON, "json", false, "print JSON; needs --yes or --dry-run")
	options.Flags(cmd)
	return cmd
}

func or(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}
