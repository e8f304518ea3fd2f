package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// calm ends all trouble and all trade: every order is sent once more and then cancelled, and the
// last cheque is redeemed.
func (s *storyOfChaos) calm() error {
	if err := s.behave(); err != nil {
		return err
	}
	errs := make([]error, len(s.writers))
	var all sync.WaitGroup
	for i, w := range s.writers {
		all.Go(func() { errs[i] = w.windUp() })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var why error
	err := s.market.until(s.ctx, "everything is settled", func() bool {
		why = s.settled()
		return why == nil
	})
	return errors.Join(err, why)
}

// windUp repeats every order, those that were acknowledged too, and cancels what is left.
func (w *writer) windUp() error {
	for once := range w.orders {
		for answered := false; !answered; {
			if err := w.s.ctx.Err(); err != nil {
				return err
			}
			var err error
			if answered, err = w.send(w.s.ctx, once); err != nil {
				return err
			}
		}
	}
	for len(w.open) > 0 {
		if err := w.cancel(w.s.ctx); err != nil {
			return err
		}
	}
	return w.s.ctx.Err()
}

// settled returns why not everything is.
func (s *storyOfChaos) settled() error {
	sol, err := s.client.Solvency(s.ctx)
	if err != nil {
		return err
	}
	if sol.Difference != "" || sol.Frozen || !sol.Payable.IsZero() || !sol.Held.IsZero() ||
		!sol.Reserved.IsZero() || sol.Ledger != sol.Free {
		return fmt.Errorf("not settled yet: %+v", sol)
	}
	return nil
}

// follow holds every order and every base unit against what the writers were told and against
// the chain.
func (s *storyOfChaos) follow() error {
	redeemed, err := s.redemptions()
	if err != nil {
		return err
	}
	errs := []error{s.booksAreRight(s.ctx), s.payeesGotTheirs(redeemed)}
	n := 0
	for _, w := range s.writers {
		n += len(w.orders)
		errs = append(errs, w.ordersAreBooked(), w.moneyIsThere(redeemed))
	}
	s.Logf("%d orders, %d of them funded together, %d things acknowledged, %d payees and mandates"+
		" paid", n, s.shared.Load(), s.acked.Load(), len(redeemed))
	if n == 0 || len(redeemed) == 0 {
		errs = append(errs, errors.New("nothing was traded: the test shows nothing"))
	}
	return errors.Join(errs...)
}

// A debt is what one payee may draw on one mandate.
type debt struct {
	from    marketplace.Address
	mandate marketplace.Hash
	to      marketplace.Address
}

// redemptions reads every payout there ever was from the chain. Each must begin where the one
// before ended: a second payout of the same would not.
func (s *storyOfChaos) redemptions() (map[debt]marketplace.Amount, error) {
	paid := map[debt]marketplace.Amount{}
	for from := int64(1); ; {
		blocks, err := s.vault.Events(s.ctx, from, 1000)
		if err != nil {
			return nil, err
		}
		for _, b := range blocks {
			for _, e := range b.Events {
				if e.Kind != escrow.Redeemed {
					continue
				}
				d := debt{e.Account, e.Cheque.Mandate, e.Cheque.To}
				if paid[d] = paid[d].Add(e.Amount); paid[d] != e.Cheque.Cumulative {
					return nil, fmt.Errorf("block %d pays %s in all, and was to end at %s: %+v", b.Number,
						paid[d], e.Cheque.Cumulative, d)
				}
			}
		}
		if len(blocks) == 0 {
			return paid, nil
		}
		from = blocks[len(blocks)-1].Number + 1
	}
}

// payeesGotTheirs compares what the chain paid with what leases earned and with the payees'
// wallets.
func (s *storyOfChaos) payeesGotTheirs(redeemed map[debt]marketplace.Amount) error {
	earned, err := s.payouts(s.ctx)
	if err != nil {
		return err
	}
	var paid marketplace.Amount
	for _, amount := range redeemed {
		paid = paid.Add(amount)
	}
	if paid != earned {
		return fmt.Errorf("the vault paid %s BTT, the wallets of payees have %s", paid, earned)
	}
	return nil
}

// ordersAreBooked holds the bounties in the book against the acknowledged orders, both ways.
func (w *writer) ordersAreBooked() error {
	all, err := w.client.Bounties(w.s.ctx, bountiesOf(w.key.Address()))
	if err != nil {
		return err
	}
	var booked, acked []int64
	for _, b := range all {
		booked = append(booked, b.ID)
	}
	for _, c := range w.orders {
		acked = append(acked, c.id)
	}
	slices.Sort(booked)
	slices.Sort(acked)
	if !slices.Equal(booked, acked) {
		return fmt.Errorf("%s: acknowledged are %v, booked are %v", w.name, acked, booked)
	}
	return nil
}

// moneyIsThere follows what the writer got at first: it is in the wallet, in the vault, or was
// paid to agents. The ledger says of the vault what the chain says.
func (w *writer) moneyIsThere(redeemed map[debt]marketplace.Amount) error {
	ctx, who := w.s.ctx, w.key.Address()
	wallet, err := w.vault.TokenBalance(ctx, who)
	if err != nil {
		return err
	}
	vault, err := w.vault.Balance(ctx, who)
	if err != nil {
		return err
	}
	account, err := w.client.Account(ctx, who)
	if err != nil {
		return err
	}
	var paid marketplace.Amount
	for d, amount := range redeemed {
		if d.from == who {
			paid = paid.Add(amount)
		}
	}
	if wallet.Add(vault).Add(paid) != pocketMoney || account.Free != vault || account.Spent != paid {
		return fmt.Errorf("%s got %s BTT; wallet %s, vault %s, paid out %s; the ledger says %+v", w.name,
			pocketMoney, wallet, vault, paid, account)
	}
	return nil
}
