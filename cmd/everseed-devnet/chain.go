package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/deploy/devchain"
	"github.com/everseed/everseed/marketplace"
)

func chainCommand() *cobra.Command {
	var o devchain.Options
	var fund []string
	cmd := &cobra.Command{
		Use:   "chain",
		Short: "Run the TRON dev chain alone",
		Long: `Runs a TRON node for one machine: the real node's gRPC, real bytecode, blocks every --block-time,
solid after 18 more. Point any TRON client at it. State is kept in --dir.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Genesis, o.Log = map[string]int64{}, terminal.Log(cmd.ErrOrStderr())
			for _, text := range fund {
				name, trx, _ := strings.Cut(text, "=")
				who, err := marketplace.ParseAddress(name)
				if err != nil {
					return err
				}
				n, err := strconv.ParseInt(trx, 10, 40)
				if err != nil || n < 1 {
					return marketplace.Invalid.Errorf("--fund %s is not like T…=1000 (whole TRX)", text)
				}
				o.Genesis[string(who.Tron())] = n * 1_000_000
			}
			chain, err := devchain.Start(cmd.Context(), o)
			if err != nil {
				return err
			}
			o.Log.InfoContext(cmd.Context(), "dev chain serves gRPC", "addr", chain.Addr(),
				"chain_id", chain.ChainID())
			<-cmd.Context().Done()
			return chain.Close()
		},
	}
	cmd.Flags().StringVar(&o.Dir, "dir", "everseed-chain", "folder for the chain's log")
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:50051", "gRPC address")
	cmd.Flags().DurationVar(&o.BlockTime, "block-time", 3*time.Second, "time between blocks")
	cmd.Flags().StringSliceVar(&fund, "fund", nil, "T…=TRX of the first block; may be repeated")
	return cmd
}
