package orderbook

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/everseed/everseed/marketplace"
)

// A StatementFilter chooses lines of a statement; zero fields choose all.
type StatementFilter struct {
	Account      string // free, reserved, payable or holdback
	Code         string
	Since, Until time.Time // from the one on, and before the other
}

// accountsOf are the accounts of an address $1 of the kind $2: what it deposited, what is set aside
// for its bounties, what it is paid, and what its leases hold back.
const accountsOf = `
	SELECT 'free:' || $1 AS key WHERE $2 IN ('', 'free')
	UNION SELECT 'reserved:' || bounty || ':' || poster FROM pledges WHERE poster = $1
		AND $2 IN ('', 'reserved')
	UNION SELECT 'holdback:' || l.id || ':' || p.poster FROM leases l JOIN pledges p USING (bounty)
		WHERE l.payee = $1 AND $2 IN ('', 'holdback')
	UNION ALL SELECT key FROM accounts WHERE key LIKE 'payable:%' AND split_part(key, ':', 4) = $1
		AND $2 IN ('', 'payable')`

// linesBefore are the newest lines of mine below line $6 on one side of the transfers. Each account
// gives no more than one page, by its index.
func linesBefore(side string) string {
	mine, other, in, out, place := "debit", "credit", "0", "amount", "0"
	if side == "credit" {
		mine, other, in, out, place = "credit", "debit", "amount", "0", "1"
	}
	return `SELECT x.* FROM mine, LATERAL (
		SELECT seq * 2 + ` + place + ` AS line, at, code, ` + mine + ` AS account, ` + in + ` AS in_,
			` + out + ` AS out_, ` + mine + `_after AS balance, ` + other + ` AS other, bounty, lease, id
		FROM transfers WHERE ` + mine + ` = mine.key AND seq <= $6::bigint / 2 AND seq * 2 + ` + place + ` < $6
			AND ($3 = '' OR code = $3) AND ($4::timestamptz IS NULL OR at >= $4)
			AND ($5::timestamptz IS NULL OR at < $5) ORDER BY seq DESC LIMIT $7) x`
}

var selectStatement = `WITH mine AS MATERIALIZED (` + accountsOf + `)
	SELECT line, at, code, account, in_, out_, coalesce(balance, 0), other, coalesce(bounty, 0),
		coalesce(lease, 0), id::text FROM (` + linesBefore("debit") + ` UNION ALL ` +
	linesBefore("credit") + `) lines ORDER BY line DESC LIMIT $7`

// Statement returns the lines of an address's accounts, newest first. Pages go on below the number
// of their last line.
func (b *Book) Statement(
	ctx context.Context, who marketplace.Address, f StatementFilter, p Page,
) ([]marketplace.StatementLine, error) {
	scan := func(row pgx.CollectableRow) (l marketplace.StatementLine, err error) {
		return l, row.Scan(&l.Line, at{&l.At}, &l.Code, &l.Account, &l.In, &l.Out, &l.Balance, &l.Other,
			&l.Bounty, &l.Lease, &l.ID)
	}
	return many(ctx, b.pool, "statement", scan, selectStatement, who.String(), f.Account, f.Code,
		orNull(f.Since), orNull(f.Until), p.before(), p.limit())
}
