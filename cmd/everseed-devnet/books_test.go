package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
)

// books holds the ledger against the chain: what came into the vault equals what left it plus
// what it holds, every payee has on chain what its leases earned, and nobody has more. It waits
// until the last cheque is redeemed.
func (s *story) books(*testscript.TestScript, []string) error {
	var why error
	err := s.market.until(s.ctx, "the books balance", func() bool {
		var fatal robbed
		why = s.balance(s.ctx)
		return why == nil || errors.As(why, &fatal)
	})
	if err = errors.Join(err, why); err != nil {
		return err
	}
	return s.booksAreRight(s.ctx)
}

// robbed is a difference that no waiting mends.
type robbed struct{ error }

// balance returns the first sentence about the money that is not true now.
func (s *story) balance(ctx context.Context) error {
	sol, err := s.client.Solvency(ctx)
	if err != nil {
		return err
	}
	if sol.LedgerDebit != sol.LedgerCred {
		return robbed{fmt.Errorf("debits are %s, credits %s", sol.LedgerDebit, sol.LedgerCred)}
	}
	if sol.Difference != "" || sol.Frozen || !sol.Payable.IsZero() {
		return fmt.Errorf("not settled yet: %+v", sol)
	}
	got, err := s.payouts(ctx)
	if err != nil {
		return err
	}
	return s.conserved(ctx, got)
}

// payouts compares what each payee has on chain with what its leases earned, and adds it up.
func (d *devnet) payouts(ctx context.Context) (sum marketplace.Amount, err error) {
	info, err := d.client.Rules(ctx)
	if err != nil {
		return sum, err
	}
	payees := []marketplace.Address{info.FeePayee}
	for _, a := range d.agents {
		payees = append(payees, a.key.Address())
	}
	for _, payee := range payees {
		// In this order: what is earned only grows, so nobody may ever be seen with more.
		have, err := d.vault.TokenBalance(ctx, payee)
		if err != nil {
			return sum, err
		}
		due, err := d.due(ctx, info, payee)
		if err != nil {
			return sum, err
		}
		if have.Cmp(due) > 0 {
			return sum, robbed{fmt.Errorf("%s has %s BTT on the chain, and earned %s", payee, have, due)}
		}
		if have != due {
			return sum, fmt.Errorf("%s has %s BTT on the chain of %s", payee, have, due)
		}
		sum = sum.Add(have)
	}
	return sum, nil
}

// due is what a payee should have by now, computed from what the leases say.
func (d *devnet) due(ctx context.Context, info marketplace.MarketInfo, payee marketplace.Address) (
	sum marketplace.Amount, err error) {
	leases, err := d.client.Leases(ctx, client.LeaseFilter{Most: 1_000_000})
	for _, l := range leases {
		switch {
		case payee == info.FeePayee:
			sum = sum.Add(info.Rules.Fee(l.Earned))
		case l.Payee != payee:
		case l.State == marketplace.Failed: // its holdback is forfeited
			sum = sum.Add(info.Rules.Split(marketplace.Amount{}, l.Earned).Payable)
		default:
			sum = sum.Add(l.Earned.Sub(l.Held))
		}
	}
	return sum, err
}

// conserved follows the posters' BTT: all of it is in their wallets, in the vault or paid out, and
// chain and ledger agree on what is in the vault.
func (s *story) conserved(ctx context.Context, paid marketplace.Amount) error {
	sol, err := s.client.Solvency(ctx)
	if err != nil {
		return err
	}
	amounts := map[string]marketplace.Amount{"ledger's vault": sol.Ledger}
	var errs []error
	read := func(what string, a marketplace.Amount, err error) {
		amounts[what] = a
		errs = append(errs, err)
	}
	a, err := s.vault.TokenBalance(ctx, s.vaultAddr)
	read("vault", a, err)
	a, err = s.vault.Obligations(ctx)
	read("vault's obligations", a, err)
	a, err = s.vault.TokenBalance(ctx, s.poster.key.Address())
	read("wallet", a, err)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	vault := amounts["vault"]
	if amounts["wallet"].Add(vault).Add(paid) != pocketMoney ||
		vault != amounts["vault's obligations"] || vault != sol.Ledger {
		return fmt.Errorf("%s BTT came in, %s were paid out; now %s", pocketMoney, paid, say(amounts))
	}
	return nil
}

func say(amounts map[string]marketplace.Amount) (text string) {
	for _, what := range slices.Sorted(maps.Keys(amounts)) {
		text += fmt.Sprintf(" %s: %s BTT;", what, amounts[what])
	}
	return text
}
