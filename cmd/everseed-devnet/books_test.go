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

// payouts compares what each payee has on chain with what its leases or audits earned, and adds it
// up.
func (d *devnet) payouts(ctx context.Context) (sum marketplace.Amount, err error) {
	info, err := d.client.Rules(ctx)
	if err != nil {
		return sum, err
	}
	payees := []marketplace.Address{info.FeePayee}
	for _, a := range d.agents {
		payees = append(payees, a.key.Address())
	}
	auditors, err := d.client.Auditors(ctx, "")
	if err != nil {
		return sum, err
	}
	for _, a := range auditors {
		payees = append(payees, a.Terms.Payee)
	}
	// In this order: what is earned only grows, so nobody may ever be seen with more.
	have := map[marketplace.Address]marketplace.Amount{}
	for _, payee := range payees {
		if have[payee], err = d.vault.TokenBalance(ctx, payee); err != nil {
			return sum, err
		}
	}
	due, err := d.dues(ctx, info)
	if err != nil {
		return sum, err
	}
	for payee, has := range have {
		if has.Cmp(due[payee]) > 0 {
			return sum, robbed{fmt.Errorf("%s has %s BTT on the chain, and earned %s", payee, has,
				due[payee])}
		}
		if has != due[payee] {
			return sum, fmt.Errorf("%s has %s BTT on the chain of %s", payee, has, due[payee])
		}
		sum = sum.Add(has)
	}
	return sum, nil
}

// dues are what each payee should have by now, computed from what leases and proofs say.
func (d *devnet) dues(ctx context.Context, info marketplace.MarketInfo) (
	map[marketplace.Address]marketplace.Amount, error) {
	dues := map[marketplace.Address]marketplace.Amount{}
	pay := func(who marketplace.Address, a marketplace.Amount) { dues[who] = dues[who].Add(a) }
	leases, err := d.client.Leases(ctx, client.LeaseFilter{Most: 1_000_000})
	if err != nil {
		return nil, err
	}
	for _, l := range leases {
		if l.State == marketplace.Failed { // its holdback is forfeited
			pay(l.Payee, info.Rules.Split(marketplace.Amount{}, l.Earned).Payable)
		} else {
			pay(l.Payee, l.Earned.Sub(l.Held))
		}
		if l.Earned.IsZero() {
			continue
		}
		proofs, err := d.client.Proofs(ctx, client.ProofFilter{Lease: l.ID, Most: 1_000_000})
		if err != nil {
			return nil, err
		}
		slices.Reverse(proofs)
		var before marketplace.Amount
		for _, p := range proofs {
			earned := before.Add(p.Earned)
			each, rest := info.Rules.ShareFee(info.Rules.Split(before, earned).Fee, len(p.Paid))
			for _, auditor := range p.Paid {
				pay(auditor.Payee, each)
			}
			pay(info.FeePayee, rest)
			before = earned
		}
	}
	return dues, nil
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
