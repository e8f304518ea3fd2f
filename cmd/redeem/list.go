package redeem

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/seederagent/purse"
)

// askMarketWithin bounds how long a list waits for a market that may be down.
const askMarketWithin = 3 * time.Second

// Held returns the cheques that lie in a folder.
func Held(dir string) ([]purse.Held, error) {
	p, err := purse.Open(dir, purse.Place{})
	if err != nil {
		return nil, err
	}
	return p.Cheques()
}

// List shows what is held with the market's word on it, if the market is there. The program's own
// redeem command is named where it is not.
func List(cmd *cobra.Command, market string, held []purse.Held) error {
	known, err := askStates(cmd.Context(), market, held)
	if err != nil {
		cmd.PrintErrf("the market does not say how far they are (%v); `%s redeem --dry-run` asks the"+
			" chain\n", err, cmd.Root().Name())
	}
	table := terminal.Table{Header: []string{"CHEQUE", "FROM", "TO", ">CUMULATIVE BTT", "STATE",
		"TRIED AGAIN"}}
	for _, h := range held {
		c := known[h.ID]
		state, again := string(c.State), ""
		if c.Wait != nil {
			state += ", " + string(c.Wait.Reason)
			again = c.Wait.RetryAt.Local().Format(time.DateTime)
		}
		table.Add(h.ID, h.Cheque.From, h.Cheque.To, h.Cheque.Cumulative, state, again)
	}
	if err := table.Write(cmd.OutOrStdout()); err != nil {
		return err
	}
	for _, h := range held {
		if w := known[h.ID].Wait; w != nil {
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "cheque %d waits since %s: %s\n  %s\n", h.ID,
				w.Since.Local().Format(time.DateTime), w.Detail, w.Next); err != nil {
				return err
			}
		}
	}
	return nil
}

// askStates asks the market for the cheques' states.
func askStates(ctx context.Context, market string, held []purse.Held) (
	map[int64]marketplace.SignedCheque, error) {
	ctx, cancel := context.WithTimeout(ctx, askMarketWithin)
	defer cancel()
	known, asked := map[int64]marketplace.SignedCheque{}, map[marketplace.Address]bool{}
	for _, h := range held {
		if asked[h.Cheque.To] {
			continue
		}
		asked[h.Cheque.To] = true
		all, err := client.New(market).ChequesTo(ctx, h.Cheque.To)
		if err != nil {
			return known, err
		}
		for _, c := range all {
			known[c.ID] = c
		}
	}
	return known, nil
}
