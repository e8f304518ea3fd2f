package terminal

import (
	"fmt"
	"io"

	"github.com/everseed/everseed/marketplace"
)

// PrintStanding writes how an agent stands, why, and what comes next.
func PrintStanding(w io.Writer, o marketplace.Offer) {
	fmt.Fprintf(w, "standing: %s\n", o.Standing)
	if k := o.Outlook; k != nil {
		fmt.Fprintf(w, "reputation %s of audits; below %s %s\n", marketplace.Percent(k.Reputation.Bps),
			marketplace.Percent(k.Reputation.MinBps), k.Reputation.Costs)
		fmt.Fprintf(w, "uptime %s of tries; below %s %s\n", marketplace.Percent(k.Uptime.Bps),
			marketplace.Percent(k.Uptime.MinBps), k.Uptime.Costs)
		fmt.Fprintf(w, "forecast: %s likely to miss the next epoch\nnext: %s\n",
			marketplace.Percent(k.DropBps), k.Next)
		for _, warning := range k.Warnings {
			fmt.Fprintf(w, "WARNING (%s): %s\n", warning.Kind, warning.Detail)
		}
	}
	for _, p := range o.Together {
		fmt.Fprintf(w, "fails together with %s: %s of the epochs that either missed\n", p.Agent,
			marketplace.Percent(p.ScoreBps))
	}
}
