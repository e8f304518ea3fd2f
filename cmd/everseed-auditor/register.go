package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

func registerCommand(o *options) *cobra.Command {
	var terms marketplace.AuditorTerms
	var payee string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "register",
		Short: "Offer to audit, or change what you offer",
		Long: `Signs what you offer with your key and hands it in. The operator of the market admits auditors; until
then you are not drawn. Run it again to raise or lower the capacity or to name another payee; that
counts from the next panel on, which the market names in the second half of every epoch.

The capacity is how many leases you look at in an epoch, at most. A lease takes up to three tries of
about 1.6 MiB a day when you know its pieces, and each piece once when you do not. A large capacity
gives no larger share: all auditors are drawn alike until they are full.

The payee gets your part of the fee, by cheques on the vault as agents do. Take an address whose key
lies elsewhere.`,
		Example: `  everseed-auditor register --capacity 500 --payee TLsV52sRDL79HXGGm9yzwKibb6BeruhUzy
  everseed-auditor register --capacity 500 --name 'City library' --contact mail@library.example`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, market, err := o.signIn(cmd.Context())
			if err != nil {
				return err
			}
			terms.Auditor, terms.Payee = k.Address(), k.Address()
			if payee != "" {
				if terms.Payee, err = marketplace.ParseAddress(payee); err != nil {
					return err
				}
			}
			terms.At = time.Now().UTC().Truncate(time.Microsecond)
			if err := terms.Check(terms.At); err != nil {
				return err
			}
			if terms.Signature, err = k.SignText(terms.Text()); err != nil {
				return fmt.Errorf("sign terms: %w", err)
			}
			a, err := market.RegisterAuditor(cmd.Context(), terms)
			if err != nil {
				return err
			}
			return showAuditor(cmd, a, asJSON)
		},
	}
	cmd.Flags().IntVar(&terms.Capacity, "capacity", 0, "leases that you look at in an epoch, at most"+
		" (needed)")
	cmd.Flags().StringVar(&payee, "payee", "", "TRON address that is paid; default: your own")
	cmd.Flags().StringVar(&terms.Name, "name", "", "what you call yourself; public")
	cmd.Flags().StringVar(&terms.Contact, "contact", "", "how the operator reaches you; public")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func statusCommand(o *options) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "What the market knows of you as an auditor",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, err := o.readKey()
			if err != nil {
				return err
			}
			a, err := client.New(o.market).Auditor(cmd.Context(), k.Address())
			if err != nil {
				return err
			}
			return showAuditor(cmd, a, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// stateCommand makes pause, resume and leave.
func stateCommand(o *options, verb string, to marketplace.AuditorState, short string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   verb,
		Short: short,
		Long: short + ". It counts from the next panel on: go on running until the epochs that you have a" +
			" seat\nin are over, for what you were drawn for and do not do counts against you.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, market, err := o.signIn(cmd.Context())
			if err != nil {
				return err
			}
			a, err := market.SetAuditorState(cmd.Context(), to)
			if err != nil {
				return err
			}
			return showAuditor(cmd, a, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func showAuditor(cmd *cobra.Command, a marketplace.Auditor, asJSON bool) error {
	if asJSON {
		return terminal.JSON(cmd.OutOrStdout(), a)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "auditor %s is %s since %s\n%s\ncapacity %d leases an epoch, paid to %s\n",
		a.Terms.Auditor, a.State, a.MovedAt.Local().Format(time.DateTime), whatNext(a), a.Terms.Capacity,
		a.Terms.Payee)
	if a.Reason != "" {
		fmt.Fprintf(out, "the operator says: %s\n", a.Reason)
	}
	if a.Signs {
		fmt.Fprintln(out, "signs cheques: mandates name it")
	}
	fmt.Fprintf(out, "standing %s; %d of %d visits done\n", a.Standing, a.Done, a.Due)
	if o := a.Outlook; o != nil {
		fmt.Fprintf(out, "reputation %s, disqualified below %s; uptime %s, suspended below %s\nnext: %s\n",
			percent(o.Reputation.Bps), percent(o.Reputation.MinBps), percent(o.Uptime.Bps),
			percent(o.Uptime.MinBps), o.Next)
		for _, w := range o.Warnings {
			fmt.Fprintf(out, "warning: %s\n", w.Detail)
		}
	}
	return nil
}

// percent writes basis points for people.
func percent(bps int) string { return fmt.Sprintf("%d.%02d %%", bps/100, bps%100) }

// whatNext says what a state means and what would change it.
func whatNext(a marketplace.Auditor) string {
	switch a.State {
	case marketplace.Applied:
		return "the operator has not answered; until then you are not drawn"
	case marketplace.Admitted:
		return "drawn in every epoch that you have a seat in; keep `everseed-auditor run` running"
	case marketplace.PausedAuditor:
		return "not drawn; `everseed-auditor resume` ends that"
	case marketplace.LeftAuditor:
		return "not drawn; `everseed-auditor register` applies again"
	default:
		return "not drawn; only the operator can change that"
	}
}

// signIn opens a session.
func (o *options) signIn(ctx context.Context) (k escrow.Key, market *client.Client, err error) {
	if k, err = o.readKey(); err != nil {
		return k, nil, err
	}
	market = client.New(o.market)
	if err := market.Login(ctx, k); err != nil {
		return k, nil, fmt.Errorf("sign in: %w", err)
	}
	return k, market, nil
}
