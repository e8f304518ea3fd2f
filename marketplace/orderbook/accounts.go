package orderbook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// Account returns what the ledger says of an address, as a poster and as a payee. An address that
// the market has never seen has an account of zeros.
func (b *Book) Account(ctx context.Context, who marketplace.Address) (marketplace.Account, error) {
	scan := func(row pgx.CollectableRow) (x marketplace.Account, err error) {
		return x, row.Scan(&x.Free, &x.Reserved, &x.Thawing, at{&x.ThawEnds}, &x.Spent, &x.Payable,
			&x.Redeemed, &x.Held)
	}
	x, err := one(ctx, b.pool, "account", scan, `SELECT
		coalesce((SELECT credits - debits FROM accounts WHERE key = 'free:' || $1), 0),
		coalesce((SELECT sum(pledged - drawn - refunded) FROM pledges WHERE poster = $1), 0),
		coalesce((SELECT thawing FROM posters WHERE address = $1), 0),
		(SELECT thaw_ends FROM posters WHERE address = $1),
		coalesce((SELECT sum(drawn) FROM pledges WHERE poster = $1), 0),
		coalesce((SELECT sum(credits - debits) FROM accounts WHERE key LIKE 'payable:%:' || $1), 0),
		coalesce((SELECT sum(debits) FROM accounts WHERE key LIKE 'payable:%:' || $1), 0),
		coalesce((SELECT sum(held) FROM leases WHERE payee = $1), 0)`, who.String())
	if err != nil {
		return x, err
	}
	x.Address = who
	x.Mandates, err = many(ctx, b.pool, "mandates", scanMandate, selectMandate+`
		WHERE m.poster = $1 ORDER BY m.expiry DESC, m.id LIMIT $2`, who, pageMax)
	return x, err
}

// RecordSolvency stores a comparison of the vault with the ledger. A difference freezes
// redemptions; they stay frozen until a comparison finds none.
func (b *Book) RecordSolvency(ctx context.Context, s marketplace.Solvency, now time.Time) error {
	return b.act(ctx, now, func(a *act) error {
		before, err := many(ctx, a.Tx, "solvency", pgx.RowTo[bool],
			`SELECT frozen FROM solvency FOR UPDATE`)
		if err != nil {
			return err
		}
		s.Frozen = s.Difference != ""
		if _, err := a.exec(`INSERT INTO solvency AS old (block, vault, token, difference, frozen,
				compared_at, frozen_since)
			VALUES ($1, $2, $3, $4, $5, $6::timestamptz, CASE WHEN $5 THEN $6::timestamptz END)
			ON CONFLICT (one) DO UPDATE SET block = $1, vault = $2, token = $3, difference = $4,
				frozen = $5, compared_at = $6::timestamptz,
				frozen_since = CASE WHEN $5 THEN coalesce(old.frozen_since, $6::timestamptz) END`, s.Block, s.Vault,
			s.Token, s.Difference, s.Frozen, a.now); err != nil {
			return fmt.Errorf("write comparison: %w", err)
		}
		if s.Frozen != (len(before) > 0 && before[0]) {
			a.happened("solvency.changed", s.Block, s)
		}
		return nil
	})
}

// Frozen says why redemptions are frozen; nothing when they are not.
func (b *Book) Frozen(ctx context.Context) (string, error) {
	return one(ctx, b.pool, "solvency", pgx.RowTo[string],
		`SELECT coalesce((SELECT difference FROM solvency WHERE frozen), '')`)
}

// Solvency returns the newest comparison, and what the ledger says now.
func (b *Book) Solvency(ctx context.Context) (s marketplace.Solvency, err error) {
	scan := func(row pgx.CollectableRow) (s marketplace.Solvency, err error) {
		return s, row.Scan(&s.Block, &s.Vault, &s.Token, &s.Difference, &s.Frozen, at{&s.ComparedAt},
			at{&s.FrozenSince})
	}
	s, err = one(ctx, b.pool, "comparison", scan,
		`SELECT block, vault, token, difference, frozen, compared_at, frozen_since FROM solvency`)
	if err != nil && !errors.Is(err, marketplace.NotFound) {
		return s, err
	}
	_, err = one(ctx, b.pool, "ledger", func(row pgx.CollectableRow) (x struct{}, err error) {
		return x, row.Scan(&s.Ledger, &s.Free, &s.Reserved, &s.Payable, &s.Held, &s.LedgerDebit,
			&s.LedgerCred)
	}, `SELECT
		coalesce(sum(debits - credits) FILTER (WHERE key = 'vault'), 0),
		coalesce(sum(credits - debits) FILTER (WHERE key LIKE 'free:%'), 0),
		coalesce(sum(credits - debits) FILTER (WHERE key LIKE 'reserved:%'), 0),
		coalesce(sum(credits - debits) FILTER (WHERE key LIKE 'payable:%'), 0),
		coalesce(sum(credits - debits) FILTER (WHERE key LIKE 'holdback:%'), 0),
		coalesce(sum(debits), 0), coalesce(sum(credits), 0) FROM accounts`)
	return s, err
}

// Market returns the whole market at a glance.
func (b *Book) Market(ctx context.Context, now time.Time) (m marketplace.Market, err error) {
	m.At, m.Epoch = now.UTC(), b.opts.Rules.EpochAt(now)
	if m.Bounties, err = b.countBounties(ctx); err != nil {
		return m, err
	}
	scan := func(row pgx.CollectableRow) (x struct{}, err error) {
		return x, row.Scan(&m.Wanted, &m.Leased, &m.Proven, &m.KeptAlive, &m.Offers, &m.FreeStorage,
			&m.Reserved, &m.Earned, &m.Redeemed)
	}
	if _, err = one(ctx, b.pool, "market", scan, `SELECT
		coalesce((SELECT sum(replicas) FROM bounties WHERE state IN ('open', 'filled', 'degraded')), 0),
		(SELECT count(*) FROM leases WHERE state IN `+live+`),
		(SELECT count(*) FROM leases WHERE state = 'active'),
		coalesce((SELECT sum(size) FROM leases WHERE state = 'active'), 0)::bigint,
		(SELECT count(*) FROM offers WHERE state = 'live'),
		greatest(0, coalesce((SELECT sum((terms->>'storage')::bigint) FROM offers
			WHERE state = 'live'), 0) - coalesce((SELECT sum(size) FROM leases WHERE state IN `+live+`),
			0))::bigint,
		coalesce((SELECT sum(credits - debits) FROM accounts WHERE key LIKE 'reserved:%'), 0),
		coalesce((SELECT sum(earned) FROM leases), 0),
		coalesce((SELECT sum(debits) FROM accounts WHERE key LIKE 'payable:%'), 0)`); err != nil {
		return m, err
	}
	if m.AuditWire, err = b.AuditWire(ctx, now); err != nil {
		return m, err
	}
	if m.Replaced, err = b.Replaced(ctx); err != nil {
		return m, err
	}
	calls, err := b.Calls(ctx, Page{Limit: 1})
	if err != nil {
		return m, err
	}
	if len(calls) > 0 {
		m.LastCall = &calls[0]
	}
	_, m.Clearings, err = lastPrices(ctx, b.pool)
	return m, err
}

func (b *Book) countBounties(ctx context.Context) (map[marketplace.BountyState]int, error) {
	type count struct {
		state marketplace.BountyState
		n     int
	}
	rows, err := many(ctx, b.pool, "bounties", func(row pgx.CollectableRow) (c count, err error) {
		return c, row.Scan(&c.state, &c.n)
	}, `SELECT state, count(*) FROM bounties GROUP BY state`)
	counts := map[marketplace.BountyState]int{}
	for _, c := range rows {
		counts[c.state] = c.n
	}
	return counts, err
}
