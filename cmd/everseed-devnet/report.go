package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/everseed/everseed/cmd/terminal"
	"github.com/everseed/everseed/marketplace"
)

// earnings are what one agent did and got, as the market says and as the chain says.
type earnings struct {
	name           string
	passed, missed int
	earned, held   marketplace.Amount
	forfeited      marketplace.Amount // held back of a lease that failed
	redeemed       marketplace.Amount // read from the chain
}

// report draws the table at the end and checks what must hold.
func (d *demo) report(ctx context.Context) error {
	d.out.chapter("What everyone did and got")
	rows, err := d.reckon(ctx)
	if err != nil {
		return err
	}
	table := terminal.Table{Header: []string{"AGENT", ">EPOCHS PASSED", ">MISSED", ">EARNED BTT",
		">FORFEITED", ">HELD BACK", ">REDEEMED ON CHAIN"}}
	for _, r := range rows {
		table.Add(r.name, r.passed, r.missed, terminal.BTT(r.earned), terminal.BTT(r.forfeited),
			terminal.BTT(r.held), terminal.BTT(r.redeemed))
	}
	var drawn strings.Builder
	if err := table.Write(&drawn); err != nil {
		return err
	}
	d.out.print(drawn.String())
	account, err := d.client.Account(ctx, d.poster.key.Address())
	if err != nil {
		return err
	}
	d.out.say("the poster deposited %s BTT: %s spent, %s free again", d.deposited,
		terminal.BTT(account.Spent), terminal.BTT(account.Free))
	return d.checkInvariants(ctx, rows, account)
}

// reckon adds up what leases and proofs say of each agent, and reads its payouts from the chain.
func (d *demo) reckon(ctx context.Context) ([]earnings, error) {
	leases, err := d.client.LeasesOf(ctx, d.bounty.ID)
	if err != nil {
		return nil, err
	}
	rows := make([]earnings, len(d.agents))
	for i, a := range d.agents {
		r := earnings{name: a.name}
		for _, l := range leases {
			if l.Agent != a.key.Address() {
				continue
			}
			r.passed, r.missed = r.passed+l.Passed, r.missed+l.Missed
			r.earned, r.held = r.earned.Add(l.Earned), r.held.Add(l.Held)
			if l.State == marketplace.Failed {
				rules := marketplace.DevnetRules()
				split := rules.Split(marketplace.Amount{}, l.Earned)
				r.forfeited = r.forfeited.Add(split.Holdback)
			}
			if r.redeemed, err = d.paid(ctx, l); err != nil {
				return nil, err
			}
		}
		rows[i] = r
	}
	return rows, nil
}

// paid is what the funders of a lease have paid its payee on the chain.
func (d *demo) paid(ctx context.Context, l marketplace.Lease) (sum marketplace.Amount, err error) {
	for _, f := range l.Funders {
		part, err := d.vault.Paid(ctx, f.Poster, f.Mandate, l.Payee)
		if err != nil {
			return sum, err
		}
		sum = sum.Add(part)
	}
	return sum, nil
}

// An invariant is a sentence with what was found.
type invariant struct {
	holds bool
	text  string
}

func (d *demo) checkInvariants(ctx context.Context, rows []earnings,
	poster marketplace.Account) error {
	var checks []invariant
	check := func(holds bool, format string, args ...any) {
		checks = append(checks, invariant{holds, fmt.Sprintf(format, args...)})
	}
	owed, err := d.vault.Obligations(ctx)
	if err != nil {
		return err
	}
	token, err := d.vault.TokenBalance(ctx, d.vaultAddr)
	if err != nil {
		return err
	}
	s, err := d.client.Solvency(ctx)
	if err != nil {
		return err
	}
	check(token == owed, "the vault holds %s BTT and owes %s", terminal.BTT(token),
		terminal.BTT(owed))
	check(s.Ledger == owed, "the ledger says %s BTT are in the vault; the chain says %s",
		terminal.BTT(s.Ledger), terminal.BTT(owed))
	check(s.LedgerDebit == s.LedgerCred, "the ledger sums to zero: debits %s, credits %s",
		terminal.BTT(s.LedgerDebit), terminal.BTT(s.LedgerCred))
	check(!s.Frozen && s.Difference == "", "the reconciler found no difference at solid block %d",
		s.Block)
	check(poster.Free.Add(poster.Spent) == d.deposited && poster.Reserved.IsZero(),
		"what the poster deposited is free or spent, to the last unit")
	check(d.booksAreRight(ctx) == nil, "every balance follows from its lines (everseed-market"+
		" audit-books)")
	paid := marketplace.Amount{}
	for _, r := range rows {
		check(r.redeemed.Cmp(r.earned) <= 0, "%s was paid %s of %s earned", r.name,
			terminal.BTT(r.redeemed), terminal.BTT(r.earned))
		check(r.passed > 1 || r.redeemed.IsZero(), "%s: nothing paid without passed audits (%d)", r.name,
			r.passed)
		paid = paid.Add(r.redeemed)
	}
	check(!paid.IsZero() && paid.Cmp(poster.Spent) <= 0, "agents got %s of the %s spent",
		terminal.BTT(paid), terminal.BTT(poster.Spent))
	return d.tellChecks(checks)
}

func (d *demo) tellChecks(checks []invariant) error {
	var broken []error
	for _, c := range checks {
		mark := "✓"
		if !c.holds {
			mark = "✗"
			broken = append(broken, errors.New("does not hold: "+c.text))
		}
		d.out.say("%s %s", mark, c.text)
	}
	return errors.Join(broken...)
}

// booksAreRight has the market's program recompute the ledger.
func (d *devnet) booksAreRight(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, filepath.Join(d.bin, "everseed-market"), "audit-books") // #nosec G204
	cmd.Env = append(os.Environ(), d.market.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("audit-books: %w\n%s", err, out)
	}
	return nil
}

// downloadWithOthers fetches with stock clients that are installed, from the agents alone: the
// .torrent's tracker tells them of the agents.
func (d *demo) downloadWithOthers(ctx context.Context, peers []netip.AddrPort) error {
	aria, err := exec.LookPath("aria2c")
	if err != nil {
		d.out.say("aria2c is not installed; only the plain client was tried")
		return nil
	}
	began, dir := time.Now(), filepath.Join(d.dir, "downloaded-by-aria2")
	tracker, err := d.trackers.open(ctx, d.torrent.Infohash, peers...)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, aria, "--seed-time=0", "--enable-dht=false", // #nosec G204
		"--enable-peer-exchange=false", "--bt-enable-lpd=false", "--listen-port=16881-16999",
		"--bt-tracker="+tracker, "--bt-exclude-tracker=*", "--console-log-level=warn",
		"--summary-interval=0", "--dir="+dir, filepath.Join(d.dir, "demo.torrent"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("aria2c: %w\n%s", err, out)
	}
	got, err := fingerprint(filepath.Join(dir, d.torrent.Name))
	if err != nil {
		return err
	}
	if got != d.hash {
		return fmt.Errorf("aria2c's download has hash %s, the original %s", got, d.hash)
	}
	d.out.say("aria2c: the same in %.1f s", time.Since(began).Seconds())
	return nil
}
