package orderbook

import (
	"context"
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
	Expires  time.Time          // end of the mandate: nothing is paid on it afterwards
	FeeMax   int64              // sun that it may burn at least, when less was too little before
}

// Redeemable returns the newest signed cheque of each mandate and payee, unless one is on its
// way.
func (b *Book) Redeemable(ctx context.Context, limit int) ([]Redemption, error) {
	type extra struct {
		id int64
		r  Redemption
	}
	scan := func(row pgx.CollectableRow) (x extra, err error) {
		return x, row.Scan(&x.id, &x.r.Redeemed, at{&x.r.SignedAt}, &x.r.Thawing, at{&x.r.Expires},
			&x.r.FeeMax)
	}
	rows, err := many(ctx, b.pool, "cheques", scan, `SELECT c.id, a.debits, coalesce((SELECT
			min(o.signed_at) FROM cheques o WHERE (o.poster, o.mandate, o.payee) =
			(c.poster, c.mandate, c.payee) AND o.cumulative > a.debits), c.signed_at),
			coalesce(p.thawing > 0, false), m.expiry, coalesce(w.fee_max, 0)
		FROM cheques c JOIN accounts a
			ON a.key = 'payable:' || c.poster || ':' || c.mandate || ':' || c.payee
		JOIN mandates m ON m.poster = c.poster AND m.id = c.mandate
		LEFT JOIN posters p ON p.address = c.poster
		LEFT JOIN cheque_waits w ON w.cheque = c.id
		WHERE c.state IN ('signed', 'reverted') AND c.cumulative > a.debits AND NOT EXISTS (
			SELECT FROM cheques f WHERE (f.poster, f.mandate, f.payee) =
				(c.poster, c.mandate, c.payee) AND f.state IN ('submitted', 'included'))
		ORDER BY coalesce(w.retry_at, c.signed_at), c.id LIMIT $1`, Page{Limit: limit}.limit())
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

// Hold writes down why a cheque does not move on, and until when it rests. It tells of it when
// the reason is a new one.
func (b *Book) Hold(ctx context.Context, cheque int64, w marketplace.Wait, now time.Time) error {
	return b.act(ctx, now, func(a *act) error { return a.hold(cheque, w) })
}

func (a *act) hold(id int64, w marketplace.Wait) error {
	before, err := cheque(a.ctx, a.Tx, id)
	if err != nil {
		return err
	}
	if _, err := a.exec(`INSERT INTO cheque_waits AS w (cheque, reason, detail, since, retry_at,
			fee_max) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (cheque) DO UPDATE SET
		since = CASE WHEN w.reason = $2 AND NOT w.over THEN w.since ELSE $4 END,
		tries = CASE WHEN w.reason = $2 THEN w.tries + 1 ELSE 1 END,
		reason = $2, detail = $3, retry_at = $5, fee_max = greatest(w.fee_max, $6), over = false`,
		id, string(w.Reason), w.Detail, a.now, w.RetryAt, w.FeeMax); err != nil {
		return fmt.Errorf("note why cheque %d waits: %w", id, err)
	}
	if before.Wait != nil && before.Wait.Reason == w.Reason {
		return nil
	}
	c, err := cheque(a.ctx, a.Tx, id)
	if err == nil {
		a.happened("cheque.waits", id, c, c.Cheque.To, c.Cheque.From)
	}
	return err
}

// GoOn notes that nothing holds a cheque up any more.
func (b *Book) GoOn(ctx context.Context, cheque int64, now time.Time) error {
	return b.act(ctx, now, func(a *act) error { return a.goOn(cheque) })
}

func (a *act) goOn(cheque int64) error {
	if _, err := a.exec(`UPDATE cheque_waits SET over = true WHERE cheque = $1 AND NOT over`,
		cheque); err != nil {
		return fmt.Errorf("note that cheque %d goes on: %w", cheque, err)
	}
	return nil
}

// Waiting counts the cheques that do not move on, by reason.
func (b *Book) Waiting(ctx context.Context) (map[marketplace.WaitReason]int, error) {
	type count struct {
		reason marketplace.WaitReason
		n      int
	}
	rows, err := many(ctx, b.pool, "waiting cheques", func(row pgx.CollectableRow) (c count,
		err error) {
		return c, row.Scan(&c.reason, &c.n)
	}, `SELECT w.reason, count(*) FROM cheque_waits w JOIN cheques c ON c.id = w.cheque
		WHERE NOT w.over AND c.state IN ('signed', 'submitted', 'included', 'reverted')
		GROUP BY w.reason`)
	counts := map[marketplace.WaitReason]int{}
	for _, c := range rows {
		counts[c.reason] = c.n
	}
	return counts, err
}

// A StagedTx is a redeeming transaction that was written down before it is sent.
type StagedTx struct {
	ID      string
	Cheque  int64
	Raw     []byte // signed; sent again as it is until its outcome is final
	Expires time.Time
	State   string                 // staged, included, solid, lapsed or reverted
	Waits   marketplace.WaitReason // why it does not move on, when it does not
	Waited  marketplace.Wait       // reason and tries of what held its cheque up the last time, over or not
}

// StageTx writes a transaction down, before it is sent, and marks its cheque submitted.
func (b *Book) StageTx(ctx context.Context, s StagedTx, now time.Time) error {
	return b.act(ctx, now, func(a *act) error {
		// The row is locked, so that a freeze waits for this transaction or this one for the freeze.
		frozen, err := many(a.ctx, a.Tx, "solvency", pgx.RowTo[bool],
			`SELECT frozen FROM solvency FOR SHARE`)
		if err != nil {
			return err
		}
		if len(frozen) > 0 && frozen[0] {
			return marketplace.Conflict.Errorf("redemptions are frozen: vault and ledger differ")
		}
		_, err = a.exec(`INSERT INTO chain_txs (id, cheque, raw, expires, state, staged_at, moved_at)
			VALUES ($1, $2, $3, $4, 'staged', $5, $5)`, s.ID, s.Cheque, s.Raw, s.Expires, a.now)
		if codeOf(err) == uniqueViolation {
			return marketplace.Conflict.Errorf("cheque %d has a transaction under way", s.Cheque)
		}
		if err != nil {
			return fmt.Errorf("write transaction: %w", err)
		}
		if err := a.goOn(s.Cheque); err != nil {
			return err
		}
		return a.moveCheque(s.Cheque, marketplace.ChequeSubmitted, marketplace.ChequeSigned,
			marketplace.ChequeReverted)
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
		return s, row.Scan(&s.ID, &s.Cheque, &s.Raw, at{&s.Expires}, &s.State, &s.Waits, &s.Waited.Reason,
			&s.Waited.Tries)
	}, `SELECT x.id, x.cheque, x.raw, x.expires, x.state,
			CASE WHEN w.over THEN '' ELSE coalesce(w.reason, '') END, coalesce(w.reason, ''), coalesce(w.tries, 0)
		FROM chain_txs x LEFT JOIN cheque_waits w ON w.cheque = x.cheque
		WHERE x.state IN ('staged', 'included') ORDER BY x.staged_at LIMIT $1`, pageMax)
}

// MarkIncluded notes that a transaction is in a block that may still be reverted.
func (b *Book) MarkIncluded(ctx context.Context, tx string, now time.Time) error {
	return b.moveTx(ctx, tx, "included", nil, now, marketplace.ChequeIncluded,
		marketplace.ChequeSubmitted)
}

// SettleTx notes that a transaction is solid. The ledger moves with the event in its block.
func (b *Book) SettleTx(ctx context.Context, tx string, now time.Time) error {
	return b.moveTx(ctx, tx, "solid", nil, now, marketplace.ChequeSolid,
		marketplace.ChequeSubmitted, marketplace.ChequeIncluded)
}

// Unstage notes that a transaction lapsed unseen, or came to nothing for a reason that is known:
// only now may another one be built. Why the cheque waits then, if it does, is noted with it.
func (b *Book) Unstage(ctx context.Context, tx string, why *marketplace.Wait,
	now time.Time) error {
	return b.moveTx(ctx, tx, "lapsed", why, now, marketplace.ChequeSigned,
		marketplace.ChequeSubmitted, marketplace.ChequeIncluded)
}

// MarkReverted notes that the contract refused for a reason that a person has to look at.
func (b *Book) MarkReverted(ctx context.Context, tx string, why marketplace.Wait,
	now time.Time) error {
	return b.moveTx(ctx, tx, "reverted", &why, now, marketplace.ChequeReverted,
		marketplace.ChequeSubmitted, marketplace.ChequeIncluded)
}

func (b *Book) moveTx(ctx context.Context, tx, to string, why *marketplace.Wait, now time.Time,
	chequeTo marketplace.ChequeState, from ...marketplace.ChequeState) error {
	return b.act(ctx, now, func(a *act) error {
		id, err := one(a.ctx, a.Tx, "transaction "+tx+" under way", pgx.RowTo[int64],
			`UPDATE chain_txs SET state = $2, moved_at = $3
			WHERE id = $1 AND state IN ('staged', 'included') AND state <> $2 RETURNING cheque`, tx, to,
			a.now)
		if err != nil {
			return err
		}
		c, err := cheque(a.ctx, a.Tx, id)
		if err != nil || c.State == chequeTo || c.State == marketplace.ChequeSolid {
			return err // solid: the event in a block was first, ours or that of the payee's own redeeming
		}
		if why == nil {
			err = a.goOn(id)
		} else {
			err = a.hold(id, *why)
		}
		if err != nil {
			return err
		}
		return a.moveCheque(id, chequeTo, from...)
	})
}

// expireMax bounds one transaction of ExpireCheques.
const expireMax = 100

// ExpireCheques ends cheques whose mandate was over in a solid block before they were redeemed: the
// vault takes them no more, so what they say is the poster's again. The vault's clock has whole
// seconds, and the last one counts. A transaction under way is waited for.
func (b *Book) ExpireCheques(ctx context.Context, now time.Time) (n int, err error) {
	err = b.act(ctx, now, func(a *act) error {
		dead, err := many(a.ctx, a.Tx, "cheques", scanCheque, selectCheque+`
			JOIN mandates m ON m.poster = c.poster AND m.id = c.mandate
			WHERE c.state IN ('owed', 'signed', 'reverted')
				AND m.expiry + interval '1 second' <= (SELECT at FROM chain_cursor)
				AND NOT EXISTS (
				SELECT FROM cheques f WHERE (f.poster, f.mandate, f.payee) =
					(c.poster, c.mandate, c.payee) AND f.state IN ('submitted', 'included'))
			ORDER BY c.id LIMIT $1`, expireMax)
		if err != nil {
			return err
		}
		for _, c := range dead {
			if err := a.expire(c); err != nil {
				return err
			}
		}
		n = len(dead)
		return nil
	})
	return n, err
}

func (a *act) expire(c marketplace.SignedCheque) error {
	q := c.Cheque
	payable := accountPayable(q.From, q.Mandate, q.To)
	left, err := a.balance(payable)
	if err != nil {
		return err
	}
	a.enter(transfer{debit: payable, credit: accountFree(q.From), amount: left, code: "expire"}, c.ID)
	if err := a.hold(c.ID, marketplace.Wait{Reason: marketplace.WaitExpired, RetryAt: a.now,
		Detail: fmt.Sprintf("mandate %s ended before %s BTT of it were redeemed", q.Mandate,
			left)}); err != nil {
		return err
	}
	return a.moveCheque(c.ID, marketplace.ChequeExpired, c.State)
}
