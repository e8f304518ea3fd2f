package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
)

func (s *session) listCommand() *cobra.Command {
	var all bool
	var state string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List your bounties, or everybody's with --all",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter := client.BountyFilter{State: marketplace.BountyState(state)}
			if !all {
				key, err := s.wallet()
				if err != nil {
					return err
				}
				filter.Poster = key.Address()
			}
			bounties, err := s.visitor().Bounties(cmd.Context(), filter)
			if err != nil {
				return err
			}
			return s.show(cmd.OutOrStdout(), bounties, func(w io.Writer) error {
				return printBounties(w, bounties)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "everybody's")
	cmd.Flags().StringVar(&state, "state", "", "only open, filled, degraded, completed, …")
	return cmd
}

func printBounties(w io.Writer, bounties []marketplace.Bounty) error {
	if len(bounties) == 0 {
		fmt.Fprintln(w, "no bounties yet; post one with `everseed bounty post`")
		return nil
	}
	t := terminal.Table{Header: []string{">ID", "STATE", "TORRENT", ">REPLICAS", ">PRICE MAX",
		">RESERVED", ">SPENT", "ENDS"}}
	for _, b := range bounties {
		t.Add(b.ID, b.State, b.Name, fmt.Sprintf("%d/%d", b.Proven, b.Terms.Replicas),
			b.Terms.PriceMax, terminal.BTT(b.Reserved), terminal.BTT(b.Spent), when(b.EndsAt))
	}
	return t.Write(w)
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func (s *session) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show a bounty with its leases",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			b, err := s.visitor().Bounty(cmd.Context(), id)
			if err != nil {
				return err
			}
			leases, err := s.visitor().LeasesOf(cmd.Context(), id)
			if err != nil {
				return err
			}
			both := struct {
				marketplace.Bounty
				Leases []marketplace.Lease `json:"leases"`
			}{b, leases}
			return s.show(cmd.OutOrStdout(), both, func(w io.Writer) error {
				return printBounty(w, b, leases)
			})
		},
	}
}

// story is why a lease is in its state, and whose replica it took over.
func story(l marketplace.Lease) string {
	said := l.Reason
	if l.Dropping {
		said += "; another agent is called"
	}
	if l.Replaces != 0 {
		took := fmt.Sprintf("for lease %d", l.Replaces)
		if l.ReplacedAfter > 0 {
			took += fmt.Sprintf(" after %s", l.ReplacedAfter)
		}
		if said = took + "; " + said; l.Reason == "" {
			said = took
		}
	}
	return said
}

func printBounty(w io.Writer, b marketplace.Bounty, leases []marketplace.Lease) error {
	fmt.Fprintf(w, "bounty %d: %s (%s)\n%s: %d of %d replicas proven, %d under lease\n", b.ID, b.Name,
		b.Terms.Infohash, b.State, b.Proven, b.Terms.Replicas, b.Leased)
	if b.Reason != "" {
		fmt.Fprintf(w, "%s\n", b.Reason)
	}
	fmt.Fprintf(w, "at most %s BTT per GiB-day for %s; ends %s\nreserved %s BTT, spent %s BTT\n\n",
		b.Terms.PriceMax, b.Terms.KeepFor, when(b.EndsAt),
		terminal.BTT(b.Reserved), terminal.BTT(b.Spent))
	if r := b.Replaced; r.Count > 0 {
		fmt.Fprintf(w, "%d lost replicas were replaced, the last one after %s; half within %s, nine in ten"+
			" within %s\n\n", r.Count, r.Last, r.Median, r.P90)
	}
	if len(b.Funders) > 1 || !b.Needed.IsZero() {
		if err := printFunders(w, b); err != nil {
			return err
		}
	}
	t := terminal.Table{Header: []string{">LEASE", "STATE", "AGENT", ">PRICE", ">PASSED", ">MISSED",
		">EARNED", ">HELD BACK", "REASON"}}
	for _, l := range leases {
		t.Add(l.ID, l.State, l.Agent, l.Price, l.Passed, l.Missed, terminal.BTT(l.Earned),
			terminal.BTT(l.Held), story(l))
	}
	return t.Write(w)
}
