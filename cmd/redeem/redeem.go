package redeem

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
	"github.com/everseed/everseed/seederagent/purse"
)

// payeeVariable holds the payee's key, when that is not the one that pays the fee.
const payeeVariable = "EVERSEED_PAYEE_KEY"

// Options are the flags.
type Options struct {
	TRON   string // a node, host:port; else the one that the cheque names
	APIKey string // of a public node; switches TLS on
	JSON   bool   // print JSON; needs --yes or --dry-run

	min, trx, to string
	dryRun, yes  bool
}

// Flags adds the flags to a command.
func (o *Options) Flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.min, "min", "0", "leave cheques that pay less than this many BTT")
	f.StringVar(&o.trx, "trx-in-btt", "", "worth of one TRX in BTT: leave cheques whose fee is more")
	f.StringVar(&o.to, "to", "", "pay this address instead of the payee; the payee's key signs for it ("+
		payeeVariable+" if it is not the key that pays the fee)")
	f.BoolVar(&o.dryRun, "dry-run", false, "only show what would be redeemed")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
}

// A job is a run of the command.
type job struct {
	*Options
	cmd      *cobra.Command
	key      escrow.Key
	payee    escrow.Key
	to       marketplace.Address
	min, trx marketplace.Amount
	vaults   map[purse.Place]*escrow.Vault
}

// Run shows what cheques would pay, asks, and redeems those that are worth it.
func (o *Options) Run(
	cmd *cobra.Command, getenv func(string) string, key escrow.Key, cheques []purse.Held,
) (err error) {
	j := &job{Options: o, cmd: cmd, key: key, payee: key, vaults: map[purse.Place]*escrow.Vault{}}
	if err := j.parse(getenv); err != nil {
		return err
	}
	defer func() {
		for _, v := range j.vaults {
			err = errors.Join(err, v.Close())
		}
	}()
	var rows []row
	for _, h := range cheques {
		r, err := j.look(cmd.Context(), h)
		if err != nil {
			return err
		}
		rows = append(rows, r)
	}
	if !o.JSON {
		if err := j.draw(rows); err != nil {
			return err
		}
	}
	if goes, err := j.goes(rows); err != nil || !goes {
		return errors.Join(err, j.print(rows))
	}
	for i := range rows {
		if rows[i].Worth {
			err = errors.Join(err, j.redeem(cmd.Context(), &rows[i]))
		}
	}
	return errors.Join(err, j.print(rows))
}

func (j *job) parse(getenv func(string) string) (err error) {
	if j.min, err = marketplace.ParseAmount(j.Options.min); err != nil {
		return marketplace.Invalid.Errorf("--min: %v", err)
	}
	if text := j.Options.trx; text != "" {
		if j.trx, err = marketplace.ParseAmount(text); err != nil {
			return marketplace.Invalid.Errorf("--trx-in-btt: %v", err)
		}
	}
	if j.JSON && !j.yes && !j.dryRun {
		return marketplace.Invalid.Errorf("--json does not ask: give --yes or --dry-run with it")
	}
	if j.Options.to == "" {
		return nil
	}
	if j.to, err = marketplace.ParseAddress(j.Options.to); err != nil {
		return marketplace.Invalid.Errorf("--to: %v", err)
	}
	if text := getenv(payeeVariable); text != "" {
		if j.payee, err = escrow.ParseKey(text); err != nil {
			return marketplace.Invalid.Errorf("%s is not a private key of 64 hex digits", payeeVariable)
		}
	}
	return nil
}

// A row is a claim with the verdict on it.
type row struct {
	purse.Claim
	Worth    bool            `json:"worth" doc:"It is redeemed in this run"`
	Verdict  string          `json:"verdict"`
	Redeemed *escrow.Receipt `json:"redeemed,omitempty"`
	by       *purse.Redeemer
}

func (j *job) look(ctx context.Context, h purse.Held) (r row, err error) {
	v, err := j.vault(ctx, h.Place)
	if err != nil {
		return r, err
	}
	r.by = &purse.Redeemer{Vault: v, Key: j.key, To: j.to, Payee: j.payee}
	if r.Claim, err = r.by.Look(ctx, h); err != nil {
		return r, fmt.Errorf("look at cheque %d: %w", h.ID, err)
	}
	r.Worth, r.Verdict = j.worth(r.Claim)
	return r, nil
}

// vault connects to where a cheque is redeemed, once.
func (j *job) vault(ctx context.Context, at purse.Place) (*escrow.Vault, error) {
	if j.TRON != "" {
		at.TRON = j.TRON
	}
	if v := j.vaults[at]; v != nil {
		return v, nil
	}
	if at.TRON == "" {
		return nil, marketplace.Invalid.Errorf("no TRON node is known: name one with --tron host:port")
	}
	v, err := escrow.Dial(ctx, escrow.Config{GRPC: at.TRON, APIKey: j.APIKey, Vault: at.Vault,
		Token: at.Token})
	if err == nil {
		j.vaults[at] = v
	}
	return v, err
}

// worth says whether a cheque is redeemed in this run, and why.
func (j *job) worth(c purse.Claim) (bool, string) {
	fee := j.trx.MulDiv(uint64(max(0, c.Fee)), escrow.Sun)
	switch {
	case c.State == purse.UnderWay:
		return true, "carries on with " + c.Tx[:12]
	case c.State == purse.Paid:
		return false, "paid already"
	case c.State == purse.Refused:
		return false, fmt.Sprintf("no (%s)", c.Cause)
	case c.Pays.Cmp(j.min) < 0:
		return false, "no, below --min"
	case j.trx.IsZero():
		return true, "yes"
	case fee.Cmp(c.Pays) > 0:
		return false, "no, the fee is worth " + terminal.BTT(fee) + " BTT"
	default:
		return true, "yes, the fee is worth " + terminal.BTT(fee) + " BTT"
	}
}

func (j *job) draw(rows []row) error {
	out := j.cmd.OutOrStdout()
	if len(rows) == 0 {
		_, err := fmt.Fprintln(out, "There are no cheques here.")
		return err
	}
	t := terminal.Table{Header: []string{"CHEQUE", "FROM", "TO", ">PAID", ">DUE", ">PAYS NOW",
		">FEE TRX", "WORTH IT"}}
	for _, r := range rows {
		to := r.Cheque.To
		if !j.to.IsZero() {
			to = j.to
		}
		t.Add(r.ID, r.Cheque.From, to, terminal.BTT(r.Paid), terminal.BTT(r.Due),
			terminal.BTT(r.Pays), fmt.Sprintf("%.2f", float64(r.Fee)/escrow.Sun), r.Verdict)
	}
	if err := t.Write(out); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Why != "" {
			if _, err := fmt.Fprintf(out, "cheque %d: %s\n  %s\n", r.ID, r.Why, r.Next); err != nil {
				return err
			}
		}
	}
	return nil
}

// goes says whether there is something to do and the person wants it.
func (j *job) goes(rows []row) (bool, error) {
	n, fees := 0, int64(0)
	for _, r := range rows {
		if r.Worth {
			n, fees = n+1, fees+r.Fee
		}
	}
	if n == 0 || j.dryRun {
		return false, nil
	}
	if j.yes {
		return true, nil
	}
	if !terminal.IsTerminal(j.cmd.OutOrStdout()) {
		return false, marketplace.Invalid.Errorf("nobody is there to ask: run it with --yes")
	}
	j.cmd.PrintErrf("Redeem %d, for about %.2f TRX from %s? [y/N] ", n, float64(fees)/escrow.Sun,
		j.key.Address())
	answer, err := bufio.NewReader(j.cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}

func (j *job) redeem(ctx context.Context, r *row) error {
	found, err := r.by.Redeem(ctx, r.Held, func(tx escrow.Staged) {
		r.Tx = tx.ID
		j.cmd.PrintErrf("cheque %d: %s, waiting until it is solid\n", r.ID, tx.ID)
	})
	if err != nil {
		return j.explain(*r, err)
	}
	r.Redeemed = &found
	if found.Outcome == escrow.Confirmed {
		j.cmd.PrintErrf("cheque %d: done in block %d, fee %.2f TRX\n", r.ID, found.Block,
			float64(found.Fee)/escrow.Sun)
	} else {
		j.cmd.PrintErrf("cheque %d: somebody else redeemed it first; the payee has it\n", r.ID)
	}
	return nil
}

// explain adds to an error what the person can do.
func (j *job) explain(r row, err error) error {
	if next := purse.Next(escrow.CauseOf(err)); next != "" {
		j.cmd.PrintErrf("cheque %d: %s\n", r.ID, next)
	}
	if _, gone := os.Stat(r.Note); gone == nil {
		j.cmd.PrintErrf("cheque %d: its transaction is kept in %s; the next run carries on with it\n",
			r.ID, r.Note)
	}
	return fmt.Errorf("cheque %d: %w", r.ID, err)
}

func (j *job) print(rows []row) error {
	if !j.JSON {
		return nil
	}
	if rows == nil {
		rows = []row{}
	}
	return terminal.JSON(j.cmd.OutOrStdout(), rows)
}
