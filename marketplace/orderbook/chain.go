package orderbook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// A ChainEventKind is what happened in the vault.
type ChainEventKind string

// The events of the vault that the book acts on.
const (
	ChainDeposit    ChainEventKind = "deposit"
	ChainMandate    ChainEventKind = "mandate"
	ChainRevoke     ChainEventKind = "revoke"
	ChainRedeem     ChainEventKind = "redeem"
	ChainThaw       ChainEventKind = "thaw"
	ChainThawCancel ChainEventKind = "thaw_cancel"
	ChainWithdraw   ChainEventKind = "withdraw"
)

// A ChainEvent is one event of the vault in a solid block. Tx and Index name it for good.
type ChainEvent struct {
	Kind       ChainEventKind
	Tx         string
	Index      int
	Account    marketplace.Address // whose vault account it is
	Mandate    marketplace.Mandate // mandate: all of it; redeem: its ID; revoke: ID and new Expiry
	To         marketplace.Address // redeem: payee
	Amount     marketplace.Amount  // deposit, redeem, thaw, withdraw
	Cumulative marketplace.Amount  // redeem: the cheque's
	Ends       time.Time           // thaw
}

// A ChainBlock is a solid block with the vault's events in it, in order.
type ChainBlock struct {
	Number int64
	Hash   marketplace.Hash
	At     time.Time
	Events []ChainEvent
}

// ChainCursor returns the newest block that was applied; its number is 0 at the start.
func (b *Book) ChainCursor(ctx context.Context) (ChainBlock, error) {
	c, err := one(ctx, b.pool, "cursor", func(row pgx.CollectableRow) (c ChainBlock, err error) {
		return c, row.Scan(&c.Number, &c.Hash, at{&c.At})
	}, `SELECT number, hash, at FROM chain_cursor`)
	if errors.Is(err, marketplace.NotFound) {
		return ChainBlock{}, nil
	}
	return c, err
}

// Apply books the events of solid blocks, ascending, and moves the cursor, all or nothing. Blocks
// at or below the cursor are refused: they were applied.
func (b *Book) Apply(ctx context.Context, blocks []ChainBlock, now time.Time) error {
	if len(blocks) == 0 {
		return nil
	}
	return b.act(ctx, now, func(a *act) error {
		last := blocks[len(blocks)-1]
		n, err := a.exec(`INSERT INTO chain_cursor (number, hash, at) VALUES ($1, $2, $3)
			ON CONFLICT (one) DO UPDATE SET number = $1, hash = $2, at = $3
			WHERE chain_cursor.number < $4`, last.Number, last.Hash, last.At, blocks[0].Number)
		if err != nil {
			return fmt.Errorf("move chain cursor: %w", err)
		}
		if n != 1 {
			return marketplace.Conflict.Errorf("block %d was applied before", blocks[0].Number)
		}
		for _, block := range blocks {
			for _, e := range block.Events {
				if err := a.apply(e); err != nil {
					return fmt.Errorf("block %d, %s in %s: %w", block.Number, e.Kind, e.Tx, err)
				}
			}
		}
		return nil
	})
}

func (a *act) apply(e ChainEvent) error {
	switch e.Kind {
	case ChainDeposit:
		a.enter(transfer{debit: accountVault, credit: accountFree(e.Account), amount: e.Amount,
			code: "deposit"}, e.Tx, e.Index)
		a.happened("account.deposit", 0, map[string]any{"amount": e.Amount, "tx": e.Tx}, e.Account)
		return a.post()
	case ChainMandate:
		return a.openMandate(e.Account, e.Mandate)
	case ChainRevoke:
		return a.revokeMandate(e.Account, e.Mandate)
	case ChainRedeem:
		return a.redeemed(e)
	case ChainThaw:
		return a.thaw(e)
	case ChainThawCancel:
		_, err := a.exec(`UPDATE posters SET thawing = 0, thaw_ends = NULL WHERE address = $1`,
			e.Account)
		return err
	case ChainWithdraw:
		return a.withdrawn(e)
	default:
		return fmt.Errorf("unknown kind %q", e.Kind)
	}
}

func (a *act) openMandate(poster marketplace.Address, m marketplace.Mandate) error {
	_, err := a.exec(`INSERT INTO mandates (poster, id, signers, threshold, cap, expiry)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`, poster, m.ID, texts(m.Signers),
		m.Threshold, m.Cap, m.Expiry)
	m.Poster = poster
	a.happened("account.mandate", 0, m, poster)
	return err
}

// revokeMandate brings a mandate's end forward. Bounties that would outlast it are closed, so that
// what their agents earn is on cheques that are redeemed before the end.
func (a *act) revokeMandate(poster marketplace.Address, m marketplace.Mandate) error {
	if _, err := a.exec(`UPDATE mandates SET expiry = $3 WHERE poster = $1 AND id = $2
		AND expiry > $3`, poster, m.ID, m.Expiry); err != nil {
		return fmt.Errorf("end mandate %s: %w", m.ID, err)
	}
	a.happened("account.revoke", 0, map[string]any{"mandate": m.ID, "expiry": m.Expiry}, poster)
	return a.recall(poster, m.ID, m.Expiry, "a poster revoked the mandate that pays for it")
}

// lastPay is when the last cheque of a bounty will have been redeemed.
func (a *act) lastPay(b marketplace.Bounty) time.Time {
	ends := b.EndsAt
	if ends.IsZero() {
		ends = b.GoodTill.Add(b.Terms.KeepFor.Duration())
	}
	return ends.Add(a.rules.RedeemAfter.Duration())
}

// closeBefore ends a bounty with the notice of a cancel, or with less: what is earned last must be
// judged, signed and redeemed before the money is out of reach.
func (a *act) closeBefore(b marketplace.Bounty, gone time.Time, why string) error {
	if err := a.close(b, "cancelled", why); err != nil {
		return err
	}
	last := gone.Add(-a.rules.Epoch.Duration() - 2*a.rules.ReportSlack.Duration())
	if last.Before(a.now) {
		last = a.now
	}
	if _, err := a.exec(`UPDATE leases SET ends_at = $2 WHERE bounty = $1 AND ends_at > $2
		AND state IN ('proving', 'active', 'grace')`, b.ID, last); err != nil {
		return fmt.Errorf("shorten the notice of bounty %d: %w", b.ID, err)
	}
	return nil
}

// redeemed books a payout. What was never accrued here (a mandate whose signers are not the
// market's auditors) comes from the poster's free money.
func (a *act) redeemed(e ChainEvent) error {
	payable := accountPayable(e.Account, e.Mandate.ID, e.To)
	rest := e.Amount
	for _, from := range []string{payable, accountFree(e.Account), accountShortfall} {
		have := rest
		if from != accountShortfall {
			var err error
			if have, err = a.balance(from); err != nil {
				return err
			}
		}
		part := have
		if part.Cmp(rest) > 0 {
			part = rest
		}
		a.enter(transfer{debit: from, credit: accountVault, amount: part, code: "redeem"},
			e.Tx, e.Index)
		rest = rest.Sub(part)
	}
	if err := a.post(); err != nil {
		return err
	}
	if err := a.capThaw(e.Account); err != nil {
		return err
	}
	return a.paid(e)
}

// capThaw does what the vault does when a cheque is redeemed: no more is thawing than is left.
// What is left is counted from what chain events moved, wherever the ledger has put it since.
func (a *act) capThaw(poster marketplace.Address) error {
	thaws, err := many(a.ctx, a.Tx, "thaw", pgx.RowTo[bool],
		`SELECT true FROM posters WHERE address = $1 AND thawing > 0`, poster)
	if err != nil || len(thaws) == 0 {
		return err
	}
	_, err = a.exec(`UPDATE posters SET thawing = l.amount,
			thaw_ends = CASE WHEN l.amount > 0 THEN thaw_ends END
		FROM (SELECT greatest(0, coalesce(sum(CASE code WHEN 'deposit' THEN amount ELSE -amount END),
				0)) AS amount FROM transfers
			WHERE code = 'deposit' AND credit = $2
				OR code IN ('redeem', 'withdraw') AND (debit = $2 OR debit LIKE $3)) l
		WHERE address = $1 AND thawing > l.amount`, poster, accountFree(poster),
		"payable:"+poster.String()+":%")
	if err != nil {
		return fmt.Errorf("cap the thaw of %s: %w", poster, err)
	}
	return nil
}

// paid ends the cheques that a redemption paid in full, and older ones of the same payee.
func (a *act) paid(e ChainEvent) error {
	paid, err := many(a.ctx, a.Tx, "cheques", pgx.RowTo[int64], `UPDATE cheques SET state = 'solid'
		WHERE poster = $1 AND mandate = $2 AND payee = $3 AND cumulative = $4
			AND state IN ('signed', 'submitted', 'included', 'reverted', 'replaced') RETURNING id`,
		e.Account, e.Mandate.ID, e.To, e.Cumulative)
	if err != nil {
		return err
	}
	if _, err := a.exec(`UPDATE cheques SET state = 'replaced' WHERE poster = $1 AND mandate = $2
		AND payee = $3 AND cumulative < $4 AND state = 'signed'`, e.Account, e.Mandate.ID, e.To,
		e.Cumulative); err != nil {
		return err
	}
	for _, id := range paid {
		c, err := cheque(a.ctx, a.Tx, id)
		if err != nil {
			return err
		}
		a.happened("cheque.solid", id, c, e.To, e.Account)
	}
	return nil
}

// thaw notes that a poster wants money back. Where it asks for more than is free, its bounties
// are closed with the notice of a cancel, so that agents are paid before the money can leave.
func (a *act) thaw(e ChainEvent) error {
	if _, err := a.exec(`INSERT INTO posters (address, thawing, thaw_ends) VALUES ($1, $2, $3)
		ON CONFLICT (address) DO UPDATE SET thawing = $2, thaw_ends = $3`, e.Account, e.Amount,
		e.Ends); err != nil {
		return err
	}
	a.happened("account.thaw", 0, map[string]any{"amount": e.Amount, "ends": e.Ends}, e.Account)
	free, err := a.balance(accountFree(e.Account))
	if err != nil || free.Cmp(e.Amount) >= 0 {
		return err
	}
	return a.recall(e.Account, marketplace.Hash{}, e.Ends, "a poster thaws the money that pays for it")
}

// withdrawn books what left the vault. What the ledger did not hold free for the poster is a
// shortfall, which the reconciler reports.
func (a *act) withdrawn(e ChainEvent) error {
	if _, err := a.exec(`UPDATE posters SET thawing = 0, thaw_ends = NULL WHERE address = $1`,
		e.Account); err != nil {
		return err
	}
	free, err := a.balance(accountFree(e.Account))
	if err != nil {
		return err
	}
	short := e.Amount.SubFloor(free)
	a.enter(transfer{debit: accountFree(e.Account), credit: accountVault,
		amount: e.Amount.Sub(short), code: "withdraw"}, e.Tx, e.Index)
	a.enter(transfer{debit: accountShortfall, credit: accountVault, amount: short,
		code: "withdraw"}, e.Tx, e.Index)
	a.happened("account.withdraw", 0, map[string]any{"amount": e.Amount, "tx": e.Tx}, e.Account)
	return a.post()
}

// selectMandate reads mandates with what was drawn and what live bounties may still draw.
const selectMandate = `SELECT m.poster, m.id, m.signers, m.threshold, m.cap, m.expiry,
	coalesce((SELECT sum(pledged - refunded) FROM pledges p
		WHERE p.poster = m.poster AND p.mandate = m.id), 0) FROM mandates m `

func scanMandate(row pgx.CollectableRow) (m marketplace.Mandate, err error) {
	var signers []string
	if err := row.Scan(&m.Poster, &m.ID, &signers, &m.Threshold, &m.Cap, at{&m.Expiry},
		&m.Committed); err != nil {
		return m, err
	}
	return m, list{&m.Signers}.texts(signers)
}

func (a *act) mandate(
	poster marketplace.Address, id marketplace.Hash,
) (marketplace.Mandate, error) {
	m, err := one(a.ctx, a.Tx, "mandate", scanMandate, selectMandate+`
		WHERE m.poster = $1 AND m.id = $2`, poster, id)
	if errors.Is(err, marketplace.NotFound) {
		return m, marketplace.Insufficient.Errorf("you have no mandate %s in a solid block; open it in"+
			" the vault and wait about a minute", id)
	}
	return m, err
}
