package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/orderbook"
	"github.com/everseed/everseed/marketplace/settlement"
)

func booksCommand(getenv func(string) string) *cobra.Command {
	var entries, asJSON bool
	cmd := &cobra.Command{
		Use:   "audit-books",
		Short: "Recompute every balance from the entries and from the chain, and compare",
		Long: `Recomputes every balance, and what follows from the entries, from the ledger's lines alone; then
reads every event of the vault from EVERSEED_FIRST_BLOCK on and recomputes from them alone what each
account has in the vault and what each payee was paid, and compares account by account, as of the
newest block that the ledger has applied. Each difference is named in words, with what to do.

It only reads, and the market may run meanwhile. It takes the environment of ` + "`serve`" + `; with
--entries DATABASE_URL suffices. The exit status is 0 when everything agrees, 1 when something
differs, and another one when it could not be found out.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			audit := auditChain
			if entries {
				audit = auditEntries
			}
			found, err := audit(cmd, getenv)
			if err != nil {
				return err
			}
			if asJSON {
				err = terminal.JSON(cmd.OutOrStdout(), found)
			} else {
				err = drawAudit(cmd.OutOrStdout(), found)
			}
			if err == nil && len(found.Wrong) > 0 {
				err = marketplace.Conflict.Errorf("the books are wrong in %d places", len(found.Wrong))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&entries, "entries", false, "leave the chain out")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func auditEntries(cmd *cobra.Command, getenv func(string) string) (*orderbook.Audit, error) {
	url, err := databaseURL(getenv)
	if err != nil {
		return nil, err
	}
	book, err := orderbook.Open(cmd.Context(), url, orderbook.Options{
		Rules: marketplace.DefaultRules()})
	if err != nil {
		return nil, err
	}
	defer book.Close()
	return book.Audit(cmd.Context())
}

func auditChain(cmd *cobra.Command, getenv func(string) string) (*orderbook.Audit, error) {
	c, err := readSettings(getenv)
	if err != nil {
		return nil, err
	}
	m := &market{settings: c, log: terminal.Log(cmd.ErrOrStderr())}
	if err := m.open(cmd.Context()); err != nil {
		return nil, err
	}
	defer m.close()
	progress := func(int64, int64) {}
	if w := cmd.ErrOrStderr(); terminal.IsTerminal(w) {
		progress = func(block, of int64) { fmt.Fprintf(w, "\rblock %d of %d ", block, of) }
	}
	return settlement.AuditBooks(cmd.Context(), m.book, m.chain, c.First, progress)
}

func drawAudit(w io.Writer, a *orderbook.Audit) error {
	t := terminal.Table{Header: []string{"POSTER", "MANDATE", "PAYEE", ">CHAIN BTT", ">LEDGER BTT", ""}}
	for _, r := range a.Rows {
		mandate, payee, differs := "in the vault", "", ""
		if !r.Payee.IsZero() {
			mandate, payee = r.Mandate.String()[:12], "paid to "+r.Payee.String()
		}
		if r.Chain != r.Ledger {
			differs = "differs"
		}
		t.Add(r.Poster, mandate, payee, r.Chain, r.Ledger, differs)
	}
	if len(t.Rows) > 0 {
		if err := t.Write(w); err != nil {
			return err
		}
	}
	for _, wrong := range a.Wrong {
		if _, err := fmt.Fprintln(w, "WRONG:", wrong); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d accounts, %d transfers, %d events up to block %d: %d differences\n",
		a.Accounts, a.Transfers, a.Events, a.Number, len(a.Wrong))
	return err
}
