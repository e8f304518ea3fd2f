package main

import (
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
)

func (s *session) fundCommand() *cobra.Command {
	var mandate, once string
	cmd := &cobra.Command{
		Use:   "fund ID BTT",
		Short: "Pledge what somebody's bounty lacks to open",
		Long: `Pledges BTT of yours to a bounty that is unfunded. It opens when nothing is missing any more; from
then on your pledge pays its agents, and gets back what they do not earn, pro rata with the others.
Until then you can take it back with everseed bounty take-back, and it comes back by itself when
the bounty does not get enough in time.

Who posted the bounty may cancel it, and a funder who thaws the money ends it, with the notice
that agents are paid for.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			var f marketplace.Fund
			if f.Amount, err = marketplace.ParseAmount(args[1]); err != nil {
				return err
			}
			if mandate != "" {
				if err := parseFlag("mandate", mandate, &f.Mandate); err != nil {
					return err
				}
			}
			c, key, err := s.trader(cmd)
			if err != nil {
				return err
			}
			if err := chooseMandate(cmd, c, key.Address(), &f.Mandate); err != nil {
				return err
			}
			b, err := c.FundBounty(cmd.Context(), or(once, uuid.NewString()), id, f)
			if err != nil {
				return err
			}
			return s.showFunding(cmd, b)
		},
	}
	cmd.Flags().StringVar(&mandate, "mandate", "", "mandate that pays (default: your newest)")
	cmd.Flags().StringVar(&once, "once", "", "any text; a repeat with the same text pledges once")
	return cmd
}

func (s *session) takeBackCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "take-back ID",
		Short: "Take your pledge back, as long as the bounty has not opened",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			c, _, err := s.trader(cmd)
			if err != nil {
				return err
			}
			b, err := c.TakeBack(cmd.Context(), id)
			if err != nil {
				return err
			}
			return s.showFunding(cmd, b)
		},
	}
}

func (s *session) showFunding(cmd *cobra.Command, b marketplace.Bounty) error {
	return s.show(cmd.OutOrStdout(), b, func(w io.Writer) error {
		fmt.Fprintf(w, "bounty %d is %s\n", b.ID, b.State)
		printFunding(w, b)
		return nil
	})
}

// printFunding says how much is set aside for a bounty, and what it lacks.
func printFunding(w io.Writer, b marketplace.Bounty) {
	fmt.Fprintf(w, "%s BTT reserved\n", terminal.BTT(b.Reserved))
	if !b.Needed.IsZero() {
		// In full: a rounded number would leave it lacking.
		fmt.Fprintf(w, "it opens with %s BTT more: everseed bounty fund %d %s\n", b.Needed, b.ID,
			b.Needed)
	}
}

// printFunders lists who pays for a bounty, and what of it went where.
func printFunders(w io.Writer, b marketplace.Bounty) error {
	if !b.Needed.IsZero() {
		printFunding(w, b)
	}
	t := terminal.Table{Header: []string{"FUNDER", "STATE", ">PLEDGED", ">DRAWN", ">REFUNDED"}}
	for _, p := range b.Funders {
		t.Add(p.Poster, p.State, terminal.BTT(p.Pledged), terminal.BTT(p.Drawn),
			terminal.BTT(p.Refunded))
	}
	err := t.Write(w)
	fmt.Fprintln(w)
	return err
}
