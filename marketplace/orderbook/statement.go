package orderbook

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// Statement returns the transfers that touch an address's accounts, newest first, and the number
// to give as the next page's After.
func (b *Book) Statement(
	ctx context.Context, who marketplace.Address, p Page,
) (lines []marketplace.Transfer, last int64, err error) {
	type numbered struct {
		marketplace.Transfer
		seq int64
	}
	scan := func(row pgx.CollectableRow) (n numbered, err error) {
		return n, row.Scan(&n.seq, &n.ID, &n.Debit, &n.Credit, &n.Amount, &n.Code, &n.Bounty,
			&n.Lease, at{&n.At})
	}
	// The accounts of an address are few, and found by their names; transfers by their index.
	rows, err := many(ctx, b.pool, "statement", scan, `
		WITH mine AS (
			SELECT key FROM accounts WHERE key = 'free:' || $1 OR key LIKE 'payable:%:' || $1
				OR key LIKE 'payable:' || $1 || ':%'
			UNION SELECT 'reserved:' || id FROM bounties WHERE poster = $1
			UNION SELECT 'holdback:' || id FROM leases WHERE payee = $1)
		SELECT seq, id::text, debit, credit, amount, code, coalesce(bounty, 0), coalesce(lease, 0), at
		FROM transfers WHERE seq < $2 AND (debit IN (SELECT key FROM mine)
			OR credit IN (SELECT key FROM mine)) ORDER BY seq DESC LIMIT $3`,
		who.String(), p.before(), p.limit())
	if err != nil {
		return nil, 0, err
	}
	for _, n := range rows {
		lines, last = append(lines, n.Transfer), n.seq
	}
	return lines, last, nil
}
