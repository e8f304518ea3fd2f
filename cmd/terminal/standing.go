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
		if in := k.Windows; in != nil {
			fmt.Fprintf(w, "quiet windows: served %s of the last of %d; blocks took %.1f ms, and %.1f ms once more",
				marketplace.Percent(in.Served.Bps()), in.Visits, float64(in.ColdUS)/1e3, float64(in.WarmUS)/1e3)
			if in.Rate > 0 {
				fmt.Fprintf(w, "; %.1f MiB/s when all replicas were asked", float64(in.Rate)/(1<<20))
			}
			fmt.Fprintln(w)
		}
		for _, warning := range k.Warnings {
			fmt.Fprintf(w, "WARNING (%s): %s\n", warning.Kind, warning.Detail)
		}
	}
	for _, p := range o.Together {
		fmt.Fprintf(w, "fails together with %s: %s of the epochs that either missed\n", p.Agent,
			marketplace.Percent(p.ScoreBps))
	}
}
