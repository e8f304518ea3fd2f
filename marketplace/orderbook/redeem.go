package orderbook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// A Redemption is a signed cheque that waits to be redeemed.
type Redemption struct {
	marketplace.SignedCheque
	Redeemed marketplace.Amount // paid out before on the same mandate and payee
	SignedAt time.Time          // since when something is waiting
	Thawing  bool               // the poster is about to withdraw: do not wait
}

// Redeemable returns the newest signed cheque of each mandate and payee, unless one is on its
// way or redemptions are frozen.
func (b *Book) Redeemable(ctx context.Context, limit int) ([]Redemption, error) {
	frozen, err := b.frozen(ctx)
	if err != nil || frozen {
		return []Redemption{}, err
	}
	type extra struct {
		id int64
		r  Redemption
	}
	scan := func(row pgx.CollectableRow) (x extra, err error) {
		return x, row.Scan(&x.id, &x.r.Redeemed, at{&x.r.SignedAt}, &x.r.Thawing)
	}
	rows, err := many(ctx, b.pool, "cheques", scan, `SELECT c.id, a.debits, coalesce((SELECT
			min(o.signed_at) FROM cheques o WHERE (o.poster, o.mandate, o.payee) =
			(c.poster, c.mandate, c.payee) AND o.cumulative > a.debits), c.signed_at),
			coalesce(p.thawing > 0, false)
		FROM cheques c JOIN accounts a
			ON a.key = 'payable:' || c.poster || ':' || c.mandate || ':' || c.payee
		LEFT JOIN posters p ON p.address = c.poster
		WHERE c.state = 'signed' AND c.cumulative > a.debits AND NOT EXISTS (
			SELECT FROM cheques f WHERE (f.poster, f.mandate, f.payee) =
				(c.poster, c.mandate, c.payee) AND f.state IN ('submitted', 'included', 'reverted'))
		ORDER BY c.signed_at LIMIT $1`, Page{Limit: limit}.limit())
	if err != nil {
		return nil, err
	}
	all := make([]Redemption, len(rows))
	for i, x := range rows {
		all[i] = x.r
		if all[i].SignedCheque, err = b.Cheque(ctx, x.id); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// A StagedTx is a redeeming transaction that was written down before it is sent.
type StagedTx struct {
	ID      string
	Cheque  int64
	Raw     []byte // signed; sent again as it is until its outcome is final
	Expires time.Time
	State   string // staged, included, solid, lapsed or reverted
}

// StageTx writes a transaction down, before it is sent, and marks its cheque submitted.
func (b *Book) StageTx(ctx context.Context, s StagedTx, now time.Time) error {
	if frozen, err := b.frozen(ctx); err != nil || frozen {
		return errors.Join(err, marketplace.Unavailable.Errorf(
			"redemptions are frozen: vault and ledger differ"))
	}
	return b.act(ctx, now, func(a *act) error {
		_, err := a.exec(`INSERT INTO chain_txs (id, cheque, raw, expires, state, staged_at, moved_at)
			VALUES ($1, $2, $3, $4, 'staged', $5, $5)`, s.ID, s.Cheque, s.Raw, s.Expires, a.now)
		if codeOf(err) == uniqueViolation {
			return marketplace.Conflict.Errorf("cheque %d has a transaction under way", s.Cheque)
		}
		if err != nil {
			return fmt.Errorf("write transaction: %w", err)
		}
		return a.moveCheque(s.Cheque, marketplace.ChequeSubmitted, marketplace.ChequeSigned)
	})
}

// moveCheque moves a cheque from one of some states and tells of it.
func (a *act) moveCheque(id int64, to marketplace.ChequeState,
	from ...marketplace.ChequeState) error {
	states := make([]string, len(from))
	for i, s := range from {
		if !marketplace.ChequeMoves.Allow(s, to) {
			panic(fmt.Sprintf("cheque: %s → %s is no move", s, to))
		}
		states[i] = string(s)
	}
	if err := a.move(fmt.Sprint("cheque ", id), `UPDATE cheques SET state = $2
		WHERE id = $1 AND state = ANY($3)`, id, string(to), states); err != nil {
		return err
	}
	c, err := cheque(a.ctx, a.Tx, id)
	if err == nil {
		a.happened("cheque."+string(to), id, c, c.Cheque.To, c.Cheque.From)
	}
	return err
}

// InFlight returns the transactions whose outcome is not final, oldest first.
func (b *Book) InFlight(ctx context.Context) ([]StagedTx, error) {
	return many(ctx, b.pool, "transactions", func(row pgx.CollectableRow) (s StagedTx, err error) {
		return s, row.Scan(&s.ID, &s.Cheque, &s.Raw, at{&s.Expires}, &s.State)
	}, `SELECT id, cheque, raw, expires, state FROM chain_txs WHERE state IN ('staged', 'included')
		ORDER BY staged_at LIMIT $1`, pageMax)
}

// MarkIncluded notes that a transaction is in a block that may still be reverted.
func (b *Book) MarkIncluded(ctx context.Context, tx string, now time.Time) error {
	return b.moveTx(ctx, tx, "included", now, marketplace.ChequeIncluded,
		marketplace.ChequeSubmitted)
}

// SettleTx notes that a transaction is solid. The ledger moves with the event in its block.
func (b *Book) SettleTx(ctx context.Context, tx string, now time.Time) error {
	return b.moveTx(ctx, tx, "solid", now, marketplace.ChequeSolid, marketplace.ChequeSubmitted,
		marketplace.ChequeIncluded)
}

// Unstage notes that a transaction lapsed unseen: only now may another one be built.
func (b *Book) Unstage(ctx context.Context, tx string, now time.Time) error {
	return b.moveTx(ctx, tx, "lapsed", now, marketplace.ChequeSigned, marketplace.ChequeSubmitted,
		marketplace.ChequeIncluded)
}

// MarkReverted notes that the contract refused. Nothing more is sent for this mandate and payee
// until a person has looked.
func (b *Book) MarkReverted(ctx context.Context, tx, reason string, now time.Time) error {
	return b.act(ctx, now, func(a *act) error {
		if _, err := a.exec(`UPDATE cheques SET reason = $2 WHERE id = (SELECT cheque FROM chain_txs
			WHERE id = $1)`, tx, reason); err != nil {
			return fmt.Errorf("note why: %w", err)
		}
		return a.moveTx(tx, "reverted", marketplace.ChequeReverted, marketplace.ChequeSubmitted,
			marketplace.ChequeIncluded)
	})
}

func (b *Book) moveTx(ctx context.Context, tx, to string, now time.Time,
	chequeTo marketplace.ChequeState, from ...marketplace.ChequeState) error {
	return b.act(ctx, now, func(a *act) error { return a.moveTx(tx, to, chequeTo, from...) })
}

func (a *act) moveTx(tx, to string, chequeTo marketplace.ChequeState,
	from ...marketplace.ChequeState) error {
	id, err := one(a.ctx, a.Tx, "transaction "+tx+" under way", pgx.RowTo[int64], `UPDATE chain_txs
		SET state = $2, moved_at = $3 WHERE id = $1 AND state IN ('staged', 'included') AND state <> $2
		RETURNING cheque`, tx, to, a.now)
	if err != nil {
		return err
	}
	c, err := cheque(a.ctx, a.Tx, id)
	if err != nil || c.State == chequeTo || c.State == marketplace.ChequeSolid {
		return err // solid: the event in a block was first, ours or that of the payee's own redeeming
	}
	return a.moveCheque(id, chequeTo, from...)
}
