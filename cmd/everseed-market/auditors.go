package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
)

func auditorsCommand(getenv func(string) string) *cobra.Command {
	root := &cobra.Command{
		Use:   "auditors",
		Short: "Who audits: list them, admit, refuse or suspend",
		Long: `Anyone may run everseed-auditor and register. Only those that you admit are drawn: else one person
with a thousand keys would be most of the panel. Whom you admit looks at replicas, is paid a part of
the fee, and keeps a standing by what it does; one that is disqualified by it is not drawn, whatever
you say here.

It signs no cheques. Those are signed by the auditors of EVERSEED_AUDITORS, which the posters'
mandates name and which are admitted from the start. A pass always needs the word of one of them.

A change counts from the next panel on, which is named in the second half of every epoch. These
commands take DATABASE_URL, and the market may run meanwhile.`,
		Args: cobra.NoArgs,
	}
	root.AddCommand(listAuditors(getenv),
		moveAuditor(getenv, "admit", marketplace.Admitted, "Let an auditor be drawn",
			"  everseed-market auditors admit TLsV52sRDL79HXGGm9yzwKibb6BeruhUzy"),
		moveAuditor(getenv, "refuse", marketplace.Refused, "Turn down one that registered",
			"  everseed-market auditors refuse T… --reason 'no contact given'"),
		moveAuditor(getenv, "suspend", marketplace.Barred, "Let one be drawn no more, until you admit"+
			" it again", "  everseed-market auditors suspend T… --reason 'asks for nothing any more'"))
	return root
}

// withBook opens the book for a command.
func withBook(ctx context.Context, getenv func(string) string, do func(*orderbook.Book) error) error {
	url, err := databaseURL(getenv)
	if err != nil {
		return err
	}
	book, err := orderbook.Open(ctx, url, orderbook.Options{Rules: marketplace.DefaultRules()})
	if err != nil {
		return err
	}
	defer book.Close()
	return do(book)
}

func listAuditors(getenv func(string) string) *cobra.Command {
	var state string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "All that ever registered, newest first",
		Example: "  everseed-market auditors list --state applied",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withBook(cmd.Context(), getenv, func(b *orderbook.Book) error {
				all, err := b.Auditors(cmd.Context(), marketplace.AuditorState(state),
					orderbook.Page{Limit: 1000})
				if err != nil {
					return err
				}
				if asJSON {
					return terminal.JSON(cmd.OutOrStdout(), all)
				}
				return drawAuditors(cmd, all)
			})
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "only those that are applied, admitted, paused,"+
		" suspended, refused or left")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func drawAuditors(cmd *cobra.Command, all []marketplace.Auditor) error {
	if len(all) == 0 {
		cmd.Println("None. Auditors register with `everseed-auditor register`.")
		return nil
	}
	table := terminal.Table{Header: []string{"AUDITOR", "STATE", "STANDING", ">CAPACITY", ">DUE", ">DONE",
		"SIGNS", "SINCE",
		"NAME", "CONTACT"}}
	for _, a := range all {
		table.Add(a.Terms.Auditor, a.State, a.Standing, a.Terms.Capacity, a.Due, a.Done,
			map[bool]string{true: "cheques"}[a.Signs], a.MovedAt.Local().Format(time.DateTime), a.Terms.Name, a.Terms.Contact)
	}
	return table.Write(cmd.OutOrStdout())
}

func moveAuditor(getenv func(string) string, verb string, to marketplace.AuditorState,
	short, example string) *cobra.Command {
	var reason string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     verb + " ADDRESS",
		Short:   short,
		Example: example,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			who, err := marketplace.ParseAddress(args[0])
			if err != nil {
				return err
			}
			return withBook(cmd.Context(), getenv, func(b *orderbook.Book) error {
				a, err := b.MoveAuditor(cmd.Context(), who, to, reason, time.Now())
				if err != nil {
					return err
				}
				if asJSON {
					return terminal.JSON(cmd.OutOrStdout(), a)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "auditor %s is %s\n", who, a.State)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "what the auditor is told, and everybody sees")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
