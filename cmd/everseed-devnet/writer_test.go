package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/everseed/everseed/api/client"
	"github.com/everseed/everseed/marketplace"
	"github.com/everseed/everseed/marketplace/escrow"
)

// A writer is a poster who gives orders all the time and remembers what was acknowledged.
type writer struct {
	*poster
	s      *storyOfChaos
	name   string
	info   marketplace.MarketInfo
	chance *mathrand.Rand
	api    *client.Client
	terms  marketplace.BountyTerms

	orders map[string]*commission // by Idempotency-Key
	open   []int64                // bounties that were not cancelled
	thawed time.Time              // when a withdrawal is possible; zero: nothing thaws
}

// A commission is an order as it was sent, and the bounty that it was answered with; 0: none yet.
type commission struct {
	terms marketplace.BountyTerms
	id    int64
}

// pause is between two orders of a writer, at most.
const pause = 200 * time.Millisecond

// prepare makes a deposit and an API key, which outlives restarts.
func (w *writer) prepare() (err error) {
	ctx := w.s.ctx
	if w.poster, err = w.s.aPoster(ctx, pocketMoney); err != nil {
		return err
	}
	if err := w.run(ctx, nil, "wallet", "deposit", "10", "--mandate", "1d"); err != nil {
		return err
	}
	var account marketplace.Account
	if err := w.market.until(ctx, "the deposit is solid", func() bool {
		account, err = w.client.Account(ctx, w.key.Address())
		return err == nil && len(account.Mandates) > 0
	}); err != nil {
		return err
	}
	w.api = client.New(w.web)
	if err := w.api.Login(ctx, w.key); err != nil {
		return err
	}
	key, err := w.api.CreateKey(ctx, client.KeyTerms{Name: w.name,
		Scopes: []client.Scope{client.ScopeRead, client.ScopeTrade}})
	w.api = &client.Client{Base: w.web, Token: key.Token}
	w.terms = marketplace.BountyTerms{Instrument: marketplace.Keepalive, Infohash: w.s.hash,
		Mandate: account.Mandates[0].ID, Replicas: 1, PriceMax: marketplace.BTT(10_000),
		KeepFor: marketplace.Span(15 * time.Second), GoodFor: marketplace.Span(5 * time.Minute)}
	return err
}

// work gives orders until ctx is done. What was begun is ended even then.
func (w *writer) work(ctx context.Context) error {
	for ctx.Err() == nil {
		var err error
		switch dice := w.chance.IntN(100); {
		case dice < 50:
			err = w.post(ctx)
		case dice < 62:
			err = w.fund(ctx)
		case dice < 85:
			err = w.cancel(ctx)
		case dice < 92:
			err = w.deposit()
		default:
			err = w.thawOrWithdraw()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(upTo(w.chance, pause)):
		}
	}
	return nil
}

// post sends an order until it is answered. One that was sent when ctx ended stays unanswered:
// repeat finds out what became of it.
func (w *writer) post(ctx context.Context) error {
	once := rand.Text()
	w.orders[once] = &commission{terms: w.terms}
	if w.chance.IntN(3) == 0 { // somebody else is to pay a part
		w.orders[once].terms = w.shared()
	}
	for ctx.Err() == nil {
		answered, err := w.send(ctx, once)
		if answered || err != nil {
			return err
		}
	}
	return nil
}

// shared is an order of which the writer pays less than half.
func (w *writer) shared() marketplace.BountyTerms {
	t := w.terms
	t.Replicas = 3
	t.Fund = w.info.Rules.WorstCase(t, w.info.Rules.BilledMin).MulDiv(4, 10)
	return t
}

// fund pays what is missing of somebody's bounty. The same pledge is sent until it is answered.
func (w *writer) fund(ctx context.Context) error {
	var b marketplace.Bounty
	select {
	case b = <-w.s.wanting:
	default:
		return nil
	}
	once := rand.Text()
	for {
		_, err := w.api.FundBounty(ctx, once, b.ID, marketplace.Fund{Amount: b.Needed,
			Mandate: w.terms.Mandate})
		switch {
		case err == nil:
			w.s.acked.Add(1)
			w.s.shared.Add(1)
			return nil
		case errors.Is(err, marketplace.Conflict), errors.Is(err, marketplace.Insufficient):
			return nil // cancelled meanwhile, or this writer has no more
		case refused(err):
			return err
		case w.s.ctx.Err() != nil:
			return w.s.ctx.Err()
		}
		ctx = w.s.ctx // once sent, it is sent until it is answered
	}
}

// send posts one order once, and says whether it was answered. A refusal is an answer.
func (w *writer) send(ctx context.Context, once string) (answered bool, err error) {
	b, err := w.api.PostBounty(ctx, once, w.orders[once].terms)
	switch {
	case err == nil:
		if b.State == marketplace.Unfunded {
			select {
			case w.s.wanting <- b:
			default:
			}
		}
		return true, w.acknowledge(once, b.ID)
	case errors.Is(err, marketplace.TooMany), errors.Is(err, marketplace.Insufficient):
		return true, w.acknowledge(once, 0)
	case refused(err):
		return false, err
	default:
		return false, nil // down, or the answer was lost
	}
}

// refused says whether an error is the market's word and not a lost connection.
func refused(err error) bool {
	var word *marketplace.Error
	return errors.As(err, &word) && word.Kind != marketplace.Unavailable
}

// acknowledge notes an answer. The answer to one order may never change.
func (w *writer) acknowledge(once string, id int64) error {
	c := w.orders[once]
	switch {
	case c.id != 0 && c.id != id:
		return fmt.Errorf("order %s was acknowledged as bounty %d and is now %d", once, c.id, id)
	case id == 0:
		delete(w.orders, once)
	case c.id == 0:
		c.id, w.open = id, append(w.open, id)
	}
	w.s.acked.Add(1)
	return nil
}

// cancel ends the writer's oldest bounty.
func (w *writer) cancel(ctx context.Context) error {
	if len(w.open) == 0 {
		return nil
	}
	_, err := w.api.CancelBounty(ctx, "", w.open[0])
	switch {
	case err == nil, errors.Is(err, marketplace.Conflict): // it may have ended by itself
		w.open = w.open[1:]
		w.s.acked.Add(1)
	case refused(err):
		return err
	}
	return nil
}

// deposit adds to the vault by two transactions.
func (w *writer) deposit() error {
	one := marketplace.BTT(1)
	if err := w.onChain(func() (escrow.Staged, error) {
		return w.vault.BuildApprove(w.s.ctx, w.key, one)
	}); err != nil {
		return err
	}
	return w.onChain(func() (escrow.Staged, error) {
		return w.vault.BuildDeposit(w.s.ctx, w.key, w.key.Address(), one)
	})
}

// thawOrWithdraw takes half a BTT back, in two steps.
func (w *writer) thawOrWithdraw() (err error) {
	switch {
	case w.thawed.IsZero():
		err = w.onChain(func() (escrow.Staged, error) {
			return w.vault.BuildThaw(w.s.ctx, w.key, marketplace.MustAmount("0.5"))
		})
		w.thawed = time.Now().Add(thawPeriod + 10*time.Second) // the chain may have slept
	case time.Now().After(w.thawed):
		err = w.onChain(func() (escrow.Staged, error) { return w.vault.BuildWithdraw(w.s.ctx, w.key) })
		w.thawed = time.Time{}
		if errors.Is(err, marketplace.Conflict) { // cheques took what thawed, or it thaws still
			return nil
		}
	}
	return err
}

// onChain has a transaction done, once: only when it is past its expiration is another one built.
func (w *writer) onChain(build func() (escrow.Staged, error)) error {
	for w.s.ctx.Err() == nil {
		tx, err := build()
		if err == nil {
			_, err = w.vault.Await(w.s.ctx, tx, true)
		}
		switch {
		case err == nil:
			w.s.acked.Add(1)
			return nil
		case !errors.Is(err, marketplace.Unavailable):
			return err
		}
	}
	return w.s.ctx.Err()
}
